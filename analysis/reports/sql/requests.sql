-- Which calls were the latest?
with newest as ( -- the times alone first: then most row groups need not be read
    select started_at
    from calls
    order by started_at desc
    limit getvariable('most')
)
select
    started_at,
    model as response_model,
    status,
    duration_ms,
    input_tokens,
    output_tokens,
    cost_usd,
    provider_name,
    error_type,
    user_id,
    session_id,
    request_id
from calls
where started_at >= (select min(started_at) from newest)
order by started_at desc, request_id desc
limit getvariable('most')
