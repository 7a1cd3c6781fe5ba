-- How long do answers take, in milliseconds: the 95th percentile? Errors and cache hits are left out, as in the report latency.
select
    count(*) as calls,
    quantile_cont(duration_ms, 0.95) as value
from calls
where error_type is null and coalesce(cache_status, 'miss') in ('miss', 'unavailable')
