-- What was used since $since, by the columns that a limit or a budget looks at?
-- {groups} are such columns (analysis/reports/standing.py). $counted: `spent` for budgets: calls that cost something, without
-- those that were logged after the fact if the budget is $hard; `admitted` for limits: calls that a limit let through.
select
    {groups},
    count(*) as calls,
    cast(sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)) as bigint) as tokens,
    cast(sum(cost_nanousd) as bigint) as nanousd
from requests
where
    started_at >= $since
    and case $counted
        when 'spent' then cost_nanousd is not null and not ($hard and mode = 'async')
        else rate_limit_status = 'allowed'
    end
group by all
