-- What did the calls since $since (UTC) come to? One row per provider, model, status, cache status and limit's verdict.
-- Callers choose models and, with unknown hosts, providers: all but the $most with most calls are `other`.
with calls as (
    select *, coalesce(response_model, request_model, '') as model from requests where started_at >= $since
),
named as (
    select provider_name, model from calls group by all order by count(*) desc, 1 limit $most
),
providers as (
    select provider_name from calls group by all order by count(*) desc, 1 limit $most
)
select
    if(calls.provider_name in (from providers), calls.provider_name, 'other') as provider_name,
    if((calls.provider_name, model) in (select (provider_name, model) from named), model, 'other') as model,
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
    cast(sum(cost_nanousd) as bigint) as cost_nanousd,
    cast(coalesce(sum(saved_nanousd), 0) as bigint) as saved_nanousd,
    count(*) - count(cost_nanousd) as unpriced,
    sum(coalesce(duration_ms, 0)) / 1000.0 as duration_s
from calls
group by all
