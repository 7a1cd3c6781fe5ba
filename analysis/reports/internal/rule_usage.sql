-- What was used since `used_since`, by the columns that a limit or a budget looks at?
-- The columns are those of its rule (analysis/reports/standing.py). `counted` is 'spent' for budgets: calls that cost
-- something, without those that were logged after the fact if the budget `is_hard`; else, for limits, all that were allowed.
select
    user_id, request_model, -- by
    count(*) as calls,
    cast(sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)) as bigint) as tokens,
    cast(sum(cost_nanousd) as bigint) as nanousd
from requests
where
    started_at >= coalesce(getvariable('used_since'), getvariable('since'))
    and case coalesce(getvariable('counted'), 'spent')
        when 'spent' then cost_nanousd is not null and not (coalesce(getvariable('is_hard'), false) and mode = 'async')
        else rate_limit_status = 'allowed'
    end
group by all
