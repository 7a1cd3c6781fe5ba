-- What is known of one call? Of a repeated id the newest call.
select
    *,
    coalesce(response_model, request_model) as model,
    epoch_us(started_at) as started_us,
    count(*) over () as same_id
from requests
where request_id = getvariable('id') and date between getvariable('first_day') and getvariable('last_day')
order by requests.started_at desc
limit 1
