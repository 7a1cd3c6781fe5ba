-- How many calls that came through the proxy since it started have their rows?
select count(*) as calls
from requests
where
    date >= cast(cast(getvariable('started') as timestamptz) as date)
    and started_at >= cast(getvariable('started') as timestamptz)
    and mode <> 'async'
