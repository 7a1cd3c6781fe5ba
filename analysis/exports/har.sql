-- What went over the wire in these calls, oldest first? $ids: request ids; $since and $until enclose their starts (UTC, both inclusive).
select
    requests.* exclude (started_at, date),
    epoch_us(requests.started_at) as started_at_us,
    bodies.* exclude (request_id, started_at, date)
from requests
left join bodies on
    bodies.request_id = requests.request_id
    and bodies.started_at = requests.started_at
    and bodies.date between cast($since as date) and cast($until as date)
where
    requests.request_id in (select unnest(cast($ids as varchar[])))
    and requests.started_at between $since and $until
    and requests.date between cast($since as date) and cast($until as date)
order by requests.started_at, requests.request_id
