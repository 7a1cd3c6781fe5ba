-- What did each session that fits come to? cost in USD, latency in ms; NULL: not known.
-- {calls} and {groups} are conditions out of filter_columns.py; a session counts with its calls that fit.
select * from (
    select
        session_id,
        arg_max(session_name, started_at) as session_name,
        min(started_at) as created_at,
        max(started_at) as latest_request_created_at,
        sum(cost_nanousd) / 1e9 as total_cost,
        count(*) as total_requests,
        cast(sum(input_tokens) as bigint) as prompt_tokens,
        cast(sum(output_tokens) as bigint) as completion_tokens,
        cast(coalesce(sum(input_tokens) + sum(output_tokens), sum(input_tokens), sum(output_tokens)) as bigint)
            as total_tokens,
        avg(duration_ms) as avg_latency,
        coalesce(list(distinct user_id order by user_id) filter (where user_id is not null), []) as user_ids
    from requests
    where session_id is not null and started_at >= $since and started_at < $until and {calls}
    group by session_id
)
where {groups}
