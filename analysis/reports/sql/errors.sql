-- What goes wrong: which errors, how many, and of how many calls?
-- `calls` are all calls of that provider in the window, so errors / calls is the rate.
with calls as (
    select provider_name, count(*) as calls
    from requests
    where started_at >= $since and started_at < $until
    group by provider_name
),
failures as (
    select
        provider_name,
        error_type,
        status,
        count(*) as errors,
        count(distinct user_id) as users,
        cast(sum(input_tokens) as bigint) as input_tokens,
        cast(sum(output_tokens) as bigint) as output_tokens,
        sum(cost_nanousd) / 1e9 as cost_usd,
        count(*) - count(cost_nanousd) as unpriced,
        max(started_at) as last_at
    from requests
    where started_at >= $since and started_at < $until and error_type is not null
    group by all
)
select
    provider_name,
    error_type,
    status,
    errors,
    calls,
    users,
    input_tokens,
    output_tokens,
    cost_usd,
    unpriced,
    last_at
from failures join calls using (provider_name)
order by errors desc, 1, 2
limit $limit
