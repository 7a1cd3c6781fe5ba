-- How long do answers take: median, 95th and 99th percentile, and the first token?
-- Times are those of answers that a provider gave: no errors, which are quick or time out, and no cache hits. Out of summaries
-- they are rounded by less than 1 %.
with groups as (
    select
        model, -- by
        cast(sum(call_count) as bigint) as calls,
        cast(sum(error_count) as bigint) as errors,
        cast(sum(output_tokens) as bigint) as output_tokens,
        sum(cost_nanousd) / 1e9 as cost_usd,
        -- all percentiles of a column at once: half the time
        timed_percentiles(timed_ms, timed_place, timed_total) as durations,
        timed_percentiles(timed_first_token_ms, timed_place, timed_total) as first_tokens
    from calls_timed
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
