-- Which values does a property have that contain what is searched for? In any case; $pattern is for `ilike`.
select distinct properties[$key] as value
from requests
where properties[$key] ilike $pattern escape '\'
order by value
limit $limit
