-- Under which names do sessions run, and how often? One row per name, the latest used first; latency in ms.
-- {calls} is a condition out of filter_columns.py.
select
    session_name as name,
    min(started_at) as created_at,
    min(started_at) as first_used,
    max(started_at) as last_used,
    count(distinct session_id) as session_count,
    avg(duration_ms) as avg_latency
from requests
where session_id is not null and started_at >= $since and started_at < $until and {calls}
group by session_name
order by last_used desc, name
limit $limit
