-- How many calls fit a filter?
select count(*) as calls
from requests
where {condition}
