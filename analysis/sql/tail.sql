-- Which calls ended since $after (UTC), the newest $limit of them, newest first?
-- $started_after lets it skip the files of days before.
select
    request_id,
    started_at,
    started_at + to_milliseconds(coalesce(duration_ms, 0)) as ended_at,
    provider_name,
    coalesce(response_model, request_model) as model,
    status,
    error_type,
    duration_ms,
    input_tokens,
    output_tokens,
    cost_usd,
    user_id,
    session_id
from requests
where started_at >= $started_after and started_at + to_milliseconds(coalesce(duration_ms, 0)) >= $after
order by ended_at desc, request_id desc
limit $limit
