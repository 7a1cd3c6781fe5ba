-- Which calls ended since $after (UTC), the newest $limit of them, newest first?
-- $started_after lets it skip the files of days before. A filter that is NULL lets all calls through; $model is a pattern.
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
    started_at >= $started_after and started_at + to_milliseconds(coalesce(duration_ms, 0)) >= $after
    and ($provider is null or provider_name = $provider)
    and ($model is null or response_model ilike $model escape '\' or request_model ilike $model escape '\')
    and ($user is null or user_id = $user)
    and ($session is null or session_id = $session)
    and ($project is null or properties['project'] = $project)
    and (not $errors or error_type is not null)
order by ended_at desc, request_id desc
limit $limit
