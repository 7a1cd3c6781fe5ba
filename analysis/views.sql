-- What did each session come to? One row per session_id; duration_ms from its first call's start to its last answer's end.
create or replace view sessions as
select
    session_id,
    arg_max(session_name, started_at) as session_name,
    min(started_at) as first_call_at,
    max(started_at) as last_call_at,
    count(*) as calls,
    count(error_type) as errors,
    cast(sum(input_tokens) as bigint) as input_tokens,
    cast(sum(output_tokens) as bigint) as output_tokens,
    sum(cost_nanousd) / 1e9 as cost_usd,
    count(*) - count(cost_nanousd) as unpriced,
    max(epoch_ms(started_at) + coalesce(duration_ms, 0)) - min(epoch_ms(started_at)) as duration_ms
from requests
where session_id is not null
group by session_id;

-- What did each user come to? One row per user_id.
create or replace view users as
select
    user_id,
    min(started_at) as first_call_at,
    max(started_at) as last_call_at,
    count(*) as calls,
    count(error_type) as errors,
    count(distinct session_id) as sessions,
    cast(sum(input_tokens) as bigint) as input_tokens,
    cast(sum(output_tokens) as bigint) as output_tokens,
    sum(cost_nanousd) / 1e9 as cost_usd,
    count(*) - count(cost_nanousd) as unpriced
from requests
where user_id is not null
group by user_id;
