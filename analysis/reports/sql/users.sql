-- Which users call, how much, and what does each cost?
-- A NULL user_id stands for the calls that name no user.
select
    user_id, -- by
    cast(sum(call_count) as bigint) as calls,
    cast(sum(error_count) as bigint) as errors,
    count(distinct session_id) as sessions,
    cast(sum(input_tokens) as bigint) as input_tokens,
    cast(sum(output_tokens) as bigint) as output_tokens,
    sum(cost_nanousd) / 1e9 as cost_usd,
    cast(sum(unpriced_count) as bigint) as unpriced,
    max(last_started_at) as last_call_at
from calls_summed
group by all
order by cost_usd desc nulls last, calls desc, 1
limit getvariable('most')
