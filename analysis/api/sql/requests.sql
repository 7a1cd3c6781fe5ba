-- Which calls fit a filter? One page of them.
-- {condition} and {order} are expressions of filter_columns.py and calls.py; their values are bound.
select
    request_id,
    started_at,
    epoch_us(started_at) as started_at_us,
    provider_name,
    request_model,
    response_model,
    response_id,
    host,
    path,
    status,
    duration_ms,
    time_to_first_token_ms,
    input_tokens,
    cache_read_input_tokens,
    cache_creation_input_tokens,
    output_tokens,
    reasoning_output_tokens,
    cost_usd,
    cache_status,
    cache_reference_id,
    user_id,
    session_id,
    session_path,
    session_name,
    properties,
    prompt_id
from requests
where {condition}
order by {order}
limit $limit offset $offset
