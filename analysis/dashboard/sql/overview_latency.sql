-- How long did answers take, at each step or in all?
-- Of answers that a provider gave, as in the report `latency`: median and 95th percentile, and the first token's median.
with times as (
    select
        day as at, -- by
        timed_percentiles(timed_ms, timed_place, timed_total) as durations,
        timed_percentiles(timed_first_token_ms, timed_place, timed_total) as first_tokens
    from calls_timed
    group by all
)
select
    * exclude (durations, first_tokens),
    cast(round(durations[1]) as bigint) as p50_ms,
    cast(round(durations[2]) as bigint) as p95_ms,
    cast(round(first_tokens[1]) as bigint) as first_token_ms
from times
