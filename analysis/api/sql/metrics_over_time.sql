-- What did the calls that fit come to, over time? One row per {increment}, those without calls too.
-- {measures} and {answers} are expressions of metrics.py. A day is one of the caller's: $minutes is what UTC is ahead of
-- it; `time` is the UTC time at which the caller's {increment} begins.
with buckets as (
    select unnest(generate_series(
        date_trunc('{increment}', $since - to_minutes($minutes)),
        date_trunc('{increment}', $last - to_minutes($minutes)),
        interval 1 {increment}
    )) as bucket
),
measured as (
    select date_trunc('{increment}', started_at - to_minutes($minutes)) as bucket, {measures}
    from requests
    where started_at >= $since and started_at < $until and {condition}
    group by 1
)
select buckets.bucket + to_minutes($minutes) as time, {answers}
from buckets
left join measured using (bucket)
order by 1
