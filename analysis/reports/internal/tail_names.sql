-- Which names do the calls since `since` have that a filter of `heliograph tail` could mean?
with names as materialized (
    select distinct
        provider_name as provider,
        coalesce(response_model, request_model) as model,
        user_id as "user",
        session_id as session,
        properties['project'] as project
    from requests
    where started_at >= getvariable('since')
)
select distinct filter, name
from names unpivot (name for filter in (provider, model, "user", session, project))
