-- Which calls do the sessions of the list `sessions` have, oldest first? The newest `most` of each.
-- `dates`: the days on which they have some; files of other days are not opened.
-- The columns are those that a call is priced by (addon/metering/explain.py).
select
    session_id,
    request_id,
    started_at,
    provider_name,
    operation_name,
    host,
    path,
    request_model,
    response_model,
    input_tokens,
    cache_read_input_tokens,
    cache_creation_input_tokens,
    cache_creation_1h_input_tokens,
    output_tokens,
    reasoning_output_tokens,
    usage_units,
    usage_quality,
    price_factors,
    cost_nanousd,
    cost_source,
    cost_missing
from calls
where
    session_id in (select unnest(cast(getvariable('sessions') as varchar[])))
    and list_contains(cast(getvariable('dates') as date[]), date)
    and input_tokens > 0
    and coalesce(cache_status, 'miss') in ('miss', 'unavailable')
qualify row_number() over (partition by session_id order by started_at desc, request_id desc) <= getvariable('most')
order by session_id, started_at, request_id
