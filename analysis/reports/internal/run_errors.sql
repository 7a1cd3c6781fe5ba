-- Which errors did the calls end with?
-- `error` is the most exact word for it: OpenAI's `code` says model_not_found where its type is invalid_request_error.
with failed as (
    select request_id, status, error_type
    from calls
    where error_type is not null
),
answers as (
    select request_id, json_extract_string(response_body, '$.error.code') as code
    from bodies
    where date >= cast(getvariable('since') as date) and request_id in (select request_id from failed) and json_valid(response_body)
)
select
    count(*) as calls,
    status,
    case when regexp_full_match(code, '[A-Za-z][A-Za-z0-9_.-]{0,80}') then code else error_type end as error
from failed left join answers using (request_id)
group by all
order by calls desc, status, error
