-- How many calls does the session have?
select count(*) as calls
from requests
where session_id = getvariable('session')
