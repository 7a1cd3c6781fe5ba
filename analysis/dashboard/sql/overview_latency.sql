-- How long did calls take at each step?
select
    day as at, -- by
    approx_quantile(duration_ms, 0.5) as p50_ms,
    approx_quantile(duration_ms, 0.95) as p95_ms,
    approx_quantile(time_to_first_token_ms, 0.5) as first_token_ms
from calls
group by all
