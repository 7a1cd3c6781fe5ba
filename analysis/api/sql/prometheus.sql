-- What did the calls since $since (UTC) come to? One row per provider, model, status, cache status and limit's verdict.
select
    provider_name,
    coalesce(response_model, request_model, '') as model,
    mode,
    cast(coalesce(status, 0) as varchar) as status,
    coalesce(error_type, '') as error_type,
    coalesce(cache_status, '') as cache_status,
    coalesce(rate_limit_status, '') as rate_limit_status,
    count(*) as calls,
    cast(sum(greatest(attempts - 1, 0)) as bigint) as retries,
    cast(coalesce(sum(input_tokens), 0) as bigint) as input_tokens,
    cast(coalesce(sum(cache_read_input_tokens), 0) as bigint) as cache_read_input_tokens,
    cast(coalesce(sum(output_tokens), 0) as bigint) as output_tokens,
    cast(coalesce(sum(cost_nanousd), 0) as bigint) as cost_nanousd,
    cast(coalesce(sum(saved_nanousd), 0) as bigint) as saved_nanousd,
    count(*) - count(cost_nanousd) as unpriced,
    sum(coalesce(duration_ms, 0)) / 1000.0 as duration_s
from requests
where started_at >= $since
group by all
