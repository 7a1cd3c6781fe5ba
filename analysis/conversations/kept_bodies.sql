-- What was said in these calls? Ids may repeat, so a body belongs to the call that began when it did.
-- $since and $until enclose the calls (both inclusive), so that only their files are opened.
select request_id, epoch_us(started_at) as started_at_us, request_body, response_body
from bodies
where
    request_id in (select unnest(cast($request_ids as varchar[])))
    and started_at between $since and $until
    and date between cast($since as date) and cast($until as date)
