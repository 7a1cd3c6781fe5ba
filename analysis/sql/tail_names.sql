-- Which names do the calls since $since have that a filter of `heliograph tail` could mean?
select distinct unnest([
    {'filter': 'provider', 'name': provider_name},
    {'filter': 'model', 'name': coalesce(response_model, request_model)},
    {'filter': 'user', 'name': user_id},
    {'filter': 'session', 'name': session_id},
    {'filter': 'project', 'name': properties['project']}
], recursive := true)
from requests
where started_at >= $since
