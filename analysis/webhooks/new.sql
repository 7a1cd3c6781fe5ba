-- Which calls ended since $since (UTC)? $started_since bounds the files that are read.
select
    request_id,
    epoch_us(started_at) as started_at_us,
    properties
from requests
where
    started_at >= $started_since
    and date >= cast($started_since as date)
    and started_at + to_milliseconds(coalesce(duration_ms, 0)) >= $since
