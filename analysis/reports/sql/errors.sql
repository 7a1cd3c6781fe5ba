-- What goes wrong: which errors, how many, and of how many calls?
-- `calls` are all calls of that provider, or of what --by names, so errors / calls is the rate.
with groups as (
    select
        provider_name, -- by
        error_type,
        status,
        cast(sum(call_count) as bigint) as errors,
        count(distinct user_id) filter (where error_type is not null) as users,
        cast(sum(input_tokens) as bigint) as input_tokens,
        cast(sum(output_tokens) as bigint) as output_tokens,
        sum(cost_nanousd) / 1e9 as cost_usd,
        cast(sum(unpriced_count) as bigint) as unpriced,
        max(last_started_at) as last_at
    from calls_summed
    group by all
)
select
    provider_name, -- by
    error_type, status, -- key
    errors, -- plot
    cast(sum(errors) over (
        partition by
            provider_name -- by
    ) as bigint) as calls,
    users,
    input_tokens,
    output_tokens,
    cost_usd,
    unpriced,
    last_at
from groups
qualify error_type is not null
order by errors desc, 1, 2
limit getvariable('most')
