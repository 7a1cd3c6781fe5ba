-- How many calls that fit ended with which status, over time? One row per {increment} and status; see metrics_over_time.sql.
select
    date_trunc('{increment}', started_at - to_minutes($minutes)) + to_minutes($minutes) as time,
    status,
    count(*) as count
from requests
where started_at >= $since and started_at < $until and {condition}
group by all
order by all
