-- What is told of these calls? $ids: request ids; $since: UTC, the earliest start among them.
select
    requests.request_id,
    epoch_us(requests.started_at) as started_at_us,
    coalesce(requests.response_model, requests.request_model) as model,
    requests.provider_name,
    requests.input_tokens,
    requests.output_tokens,
    requests.cost_usd,
    requests.duration_ms,
    bodies.request_body,
    bodies.response_body
from requests
left join bodies on bodies.request_id = requests.request_id and bodies.started_at = requests.started_at
where
    requests.started_at >= $since
    and requests.date >= cast($since as date)
    and list_contains($ids, requests.request_id)
