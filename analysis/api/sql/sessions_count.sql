-- How many sessions fit, and what is one of them like? {gathered}: gathered_sessions.sql.
select
    count(*) as count,
    sum(total_cost) as total_cost,
    avg(total_cost) as avg_cost,
    avg(avg_latency) as avg_latency,
    avg(total_requests) as avg_requests
from ({gathered})
