-- Which calls of this day can be examples, and why can the others not? $silent: operations without a conversation.
select
    request_id,
    epoch_us(started_at) as started_at_us,
    provider_name,
    operation_name,
    coalesce(response_model, request_model) as model,
    method,
    host,
    path,
    status,
    session_id,
    coalesce(request_bytes, 0) + coalesce(response_bytes, 0) as bytes,
    case
        when operation_name in (select unnest(cast($silent as varchar[]))) then 'not a conversation (embeddings, images, ...)'
        when status is distinct from 200 or error_type is not null then 'an error, or an answer that broke off'
    end as why_not
from calls
where date = $day
order by started_at, request_id
