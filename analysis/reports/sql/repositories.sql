-- What did each git repository cost that calls were made from?
-- A NULL repository: the program does not run on the proxy's machine, or in no repository.
select
    repository, -- by
    cast(sum(call_count) as bigint) as calls,
    cast(sum(error_count) as bigint) as errors,
    count(distinct user_id) as users,
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
