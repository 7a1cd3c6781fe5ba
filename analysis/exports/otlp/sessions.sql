-- When did each path of these sessions begin and end, and with which call? $sessions: ids; $since and $until bound the files that are read.
select
    session_id,
    coalesce(session_path, '') as session_path,
    arg_max(session_name, started_at) as session_name,
    epoch_us(min(started_at)) as since_us,
    max(epoch_us(started_at) + coalesce(duration_ms, 0) * 1000) as until_us,
    arg_min(request_id, (started_at, request_id)) as first_request_id
from requests
where
    session_id in (select unnest(cast($sessions as varchar[])))
    and started_at between $since and $until
    and date between cast($since as date) and cast($until as date)
group by all
