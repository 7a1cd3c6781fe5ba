-- What did each session come to: calls, time, cost?
-- A session counts with its calls in the window only; duration_ms is from its first call's start to its last answer's end.
with shown as materialized ( -- a lake has millions of sessions: of each a short key is kept, all else is worked out for those that are shown
    select
        hash(
            session_id -- by
        ) as group_key,
        sum(call_count) as calls,
        sum(cost_nanousd) as nanousd
    from calls_summed
    where session_id is not null
    group by all
    order by nanousd desc nulls last, calls desc, group_key
    limit getvariable('most')
)
select
    session_id, -- by
    arg_max(session_name, last_started_at) as session_name,
    cast(sum(call_count) as bigint) as calls,
    cast(sum(error_count) as bigint) as errors,
    cast(sum(input_tokens) as bigint) as input_tokens,
    cast(sum(output_tokens) as bigint) as output_tokens,
    sum(cost_nanousd) / 1e9 as cost_usd,
    cast(sum(unpriced_count) as bigint) as unpriced,
    max(last_ended_ms) - min(epoch_ms(first_started_at)) as duration_ms,
    min(first_started_at) as first_call_at
from calls_summed
where
    session_id is not null
    and hash(
        session_id -- by
    ) in (select group_key from shown)
group by all
order by cost_usd desc nulls last, calls desc, 1
limit getvariable('most')
