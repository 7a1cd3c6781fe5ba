-- What is told of these calls, oldest first? $ids: request ids; $since and $until enclose their starts (UTC, both inclusive).
-- Rows that our own spans became (another heliograph sent them here) are left out: they would go round for ever.
with headers as (
    select request_id, started_at, request_headers['traceparent'] as traceparent
    from bodies
    where
        request_id in (select unnest(cast($ids as varchar[])))
        and started_at between $since and $until
        and date between cast($since as date) and cast($until as date)
)

select
    requests.* exclude (started_at, date, cost_usd, saved_usd),
    coalesce(requests.response_model, requests.request_model) as model,
    epoch_us(requests.started_at) as started_at_us,
    headers.traceparent
from requests
left join headers on headers.request_id = requests.request_id and headers.started_at = requests.started_at
where
    requests.request_id in (select unnest(cast($ids as varchar[])))
    and requests.started_at between $since and $until
    and requests.date between cast($since as date) and cast($until as date)
    and not (requests.mode = 'async' and coalesce(requests.properties['service.name'], '') = 'heliograph')
order by requests.started_at, requests.request_id
