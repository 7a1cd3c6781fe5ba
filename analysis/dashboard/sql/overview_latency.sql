-- How long did calls take, at each step and, in the row without a step, in all?
with timed as (
    select
        day as step, -- by
        duration_ms,
        time_to_first_token_ms
    from calls
)
select
    step as at,
    grouping(step) = 1 as is_total,
    approx_quantile(duration_ms, [0.5, 0.95]) as latency_ms,
    approx_quantile(time_to_first_token_ms, 0.5) as first_token_ms
from timed
group by grouping sets ((step), ()) -- one look at the calls for both
