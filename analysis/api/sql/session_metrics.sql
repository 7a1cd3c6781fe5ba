-- How are sessions spread by calls, duration (s, first to last start) and cost (USD)? {gathered}: gathered_sessions.sql.
-- Up to ten bins of equal width for each metric, between the quantiles $low and $high; the average is over all sessions.
with gathered as (
    {gathered}
),
measured as (
    select 'session_count' as metric, cast(total_requests as double) as value from gathered
    union all
    select 'session_duration', epoch(latest_request_created_at) - epoch(created_at) from gathered
    union all
    select 'session_cost', total_cost from gathered
),
bounds as (
    select metric, quantile_cont(value, $low) as low, quantile_cont(value, $high) as high, avg(value) as average
    from measured
    group by metric
),
binned as (
    select metric, low, (high - low) / 10 as width, average, least(floor((value - low) * 10 / nullif(high - low, 0)), 9) as bin
    from measured
    join bounds using (metric)
    where value between low and high
)
select
    metric,
    average,
    low + coalesce(bin, 0) * width as range_start,
    low + (coalesce(bin, 0) + 1) * width as range_end,
    count(*) as sessions
from binned
group by all
order by metric, range_start
