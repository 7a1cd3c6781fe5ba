-- Which calls were the latest?
with newest as ( -- the times alone first: then most row groups need not be read
    select started_at
    from requests
    where started_at >= $since and started_at < $until
    order by started_at desc
    limit $limit
)
select
    started_at,
    coalesce(response_model, request_model) as response_model,
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
from requests
where started_at >= (select min(started_at) from newest) and started_at < $until
order by started_at desc, request_id desc
limit $limit
