-- Which calls began since `since` and ended since `ended_since`, newest first?
-- A filter that is NULL lets all calls through; `of_model` is a pattern.
select
    request_id,
    started_at,
    started_at + to_milliseconds(coalesce(duration_ms, 0)) as ended_at,
    provider_name,
    coalesce(response_model, request_model) as model,
    status,
    error_type,
    duration_ms,
    input_tokens,
    output_tokens,
    cost_usd,
    cache_status,
    user_id,
    session_id,
    properties['project'] as project
from requests
where
    started_at >= getvariable('since')
    and started_at + to_milliseconds(coalesce(duration_ms, 0)) >= coalesce(getvariable('ended_since'), getvariable('since'))
    and (getvariable('of_provider') is null or provider_name = getvariable('of_provider'))
    and (
        getvariable('of_model') is null
        or response_model ilike getvariable('of_model') escape '\'
        or request_model ilike getvariable('of_model') escape '\'
    )
    and (getvariable('of_user') is null or user_id = getvariable('of_user'))
    and (getvariable('of_session') is null or session_id = getvariable('of_session'))
    and (getvariable('of_project') is null or properties['project'] = getvariable('of_project'))
    and (not coalesce(getvariable('only_errors'), false) or error_type is not null)
order by ended_at desc, request_id desc
limit getvariable('most')
