-- Which call took longest?
select coalesce(model, operation_name) as model, duration_ms, request_id
from calls
where duration_ms is not null
order by duration_ms desc
limit 1
