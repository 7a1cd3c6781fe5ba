-- Which call took longest?
select coalesce(response_model, request_model, operation_name) as model, duration_ms, request_id
from requests
where duration_ms is not null
order by duration_ms desc
limit 1
