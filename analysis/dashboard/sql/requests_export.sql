-- Which calls were made, the newest first?
select *
from calls
order by started_at desc, request_id desc
limit getvariable('most')
