-- Which calls were made, the newest first? Those after one call, if its time and id are given.
select request_id, started_at, null as sorted
from calls
where
    getvariable('after_at') is null
    or (started_at, request_id) < (cast(getvariable('after_at') as timestamptz), getvariable('after_id'))
order by started_at desc, request_id desc
limit getvariable('most')
