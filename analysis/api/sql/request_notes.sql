-- What was said of these calls? One row per id of $request_ids; NULL: nothing.
with asked as (
    select distinct unnest(cast($request_ids as varchar[])) as request_id
),
scored as (
    select request_id, map(list(name), list(value)) as scores
    from scores
    where request_id in (from asked)
    group by request_id
)
select request_id, feedback.rating, feedback.created_at as rated_at, scored.scores
from asked
left join feedback using (request_id)
left join scored using (request_id)
