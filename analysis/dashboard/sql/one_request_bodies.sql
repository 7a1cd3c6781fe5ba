-- What was said in one call, with headers and the times of its stream's pieces?
select request_body, response_body, request_truncated, response_truncated, request_headers, response_headers, response_piece_times
from bodies
where
    date = cast(make_timestamp(getvariable('started_us')) as date)
    and request_id = getvariable('id')
    and epoch_us(started_at) = getvariable('started_us')
limit 1
