-- What did each session come to: calls, time, cost?
-- A session counts with its calls in the window only; duration_ms is from its first call's start to its last answer's end.
select
    session_id, -- by
    any_value(session_name) as session_name,
    count(*) as calls,
    count(error_type) as errors,
    cast(sum(input_tokens) as bigint) as input_tokens,
    cast(sum(output_tokens) as bigint) as output_tokens,
    sum(cost_nanousd) / 1e9 as cost_usd,
    count(*) - count(cost_nanousd) as unpriced,
    max(epoch_ms(started_at) + coalesce(duration_ms, 0)) - min(epoch_ms(started_at)) as duration_ms,
    min(started_at) as first_call_at
from calls
where session_id is not null
group by all
order by cost_usd desc nulls last, calls desc, 1
limit getvariable('most')
