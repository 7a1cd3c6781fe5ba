-- What did each part of a session come to, by path, with subtotals?
-- A node is a path and each path above it: calls at /plan/search count in /plan and / as well. The columns are of the node with
-- all below it, those that begin with `own_` of the calls at exactly this path. A call without a path is at /. Of the sessions
-- that cost most; name one by --where "session='...'".
with chosen as (
    select session_id, sum(cost_nanousd) as session_nanousd, sum(call_count) as session_calls
    from calls_by_session
    where session_id is not null
    group by session_id
    order by session_nanousd desc nulls last, session_calls desc, session_id
    limit getvariable('most')
),
places as ( -- summed by path first, then up the paths: a session has many more calls than paths
    select
        session_id,
        list_slice(list_filter(string_split(coalesce(session_path, ''), '/'), lambda part: part <> ''), 1, 50) as parts, -- no honest path is deeper
        count(*) as calls,
        count(error_type) as errors,
        sum(coalesce(input_tokens + output_tokens, input_tokens, output_tokens)) as tokens,
        sum(cost_nanousd) as nanousd,
        count(*) - count(cost_nanousd) as unpriced,
        min(epoch_ms(started_at)) as began_ms,
        max(epoch_ms(started_at) + coalesce(duration_ms, 0)) as ended_ms
    from calls
    where session_id in (select session_id from chosen)
    group by all
),
nodes as (
    select *, unnest(range(array_length(parts) + 1)) as depth
    from places
)
select
    session_id, -- key
    '/' || array_to_string(list_slice(parts, 1, depth), '/') as session_path, -- key
    cast(sum(calls) as bigint) as calls,
    cast(sum(errors) as bigint) as errors,
    cast(sum(tokens) as bigint) as tokens, -- input and output
    sum(nanousd) / 1e9 as cost_usd,
    cast(sum(unpriced) as bigint) as unpriced,
    max(ended_ms) - min(began_ms) as duration_ms, -- from its first call's start to its last answer's end
    cast(coalesce(sum(calls) filter (where array_length(parts) = depth), 0) as bigint) as own_calls,
    cast(coalesce(sum(errors) filter (where array_length(parts) = depth), 0) as bigint) as own_errors,
    cast(sum(tokens) filter (where array_length(parts) = depth) as bigint) as own_tokens,
    sum(nanousd) filter (where array_length(parts) = depth) / 1e9 as own_cost_usd,
    max(ended_ms) filter (where array_length(parts) = depth) - min(began_ms) filter (where array_length(parts) = depth) as own_duration_ms
from nodes join chosen using (session_id)
group by session_id, list_slice(parts, 1, depth), session_nanousd, session_calls
order by session_nanousd desc nulls last, session_calls desc, session_id, list_slice(parts, 1, depth)
limit getvariable('most')
