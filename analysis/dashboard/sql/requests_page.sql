-- Which calls were made, the newest first?
select
    request_id,
    started_at,
    model,
    provider_name,
    user_id,
    session_id,
    status,
    error_type,
    cache_status,
    duration_ms,
    time_to_first_token_ms,
    input_tokens,
    output_tokens,
    cost_usd,
    cost_missing
from calls
order by started_at desc, request_id desc
limit getvariable('most')
