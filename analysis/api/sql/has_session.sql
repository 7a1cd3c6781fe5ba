-- Is there any call with a session?
select count(*) > 0 as has_session
from (select 1 from requests where session_id is not null limit 1)
