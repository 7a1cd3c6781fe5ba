-- How long do answers take: median, 95th and 99th percentile, and the first token?
-- Times are those of answers that a provider gave: no errors, which are quick or time out, and no cache hits.
with timed as (
    select
        *,
        error_type is null and coalesce(cache_status, 'miss') in ('miss', 'unavailable') as is_timed
    from calls
),
groups as (
    select
        model, -- by
        count(*) as calls,
        count(error_type) as errors,
        cast(sum(output_tokens) as bigint) as output_tokens,
        sum(cost_nanousd) / 1e9 as cost_usd,
        -- all percentiles of a column at once: half the time
        quantile_cont(duration_ms, [0.5, 0.95, 0.99]) filter (where is_timed) as durations,
        quantile_cont(time_to_first_token_ms, [0.5, 0.95]) filter (where is_timed) as first_tokens
    from timed
    group by all
)
select
    * exclude (durations, first_tokens),
    cast(round(durations[1]) as bigint) as p50_ms,
    cast(round(durations[2]) as bigint) as p95_ms, -- plot
    cast(round(durations[3]) as bigint) as p99_ms,
    cast(round(first_tokens[1]) as bigint) as first_token_p50_ms,
    cast(round(first_tokens[2]) as bigint) as first_token_p95_ms
from groups
order by calls desc, 1
limit getvariable('most')
