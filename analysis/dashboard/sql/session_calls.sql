-- Which calls has one session, in order of time?
select
    request_id,
    started_at,
    epoch_ms(started_at) as started_ms,
    session_path,
    session_name,
    coalesce(response_model, request_model) as model,
    operation_name,
    user_id,
    status,
    error_type,
    duration_ms,
    input_tokens,
    output_tokens,
    cost_usd,
    cost_missing,
    response_bytes
from requests
where session_id = getvariable('session')
order by requests.started_at, request_id
limit getvariable('most')
