-- What is each call's rating? One row per request_id that was rated; the newest rating counts.
create or replace view feedback as
select
    request_id,
    arg_max(rating, created_at) as rating,
    max(created_at) as created_at
from all_feedback
group by request_id;

-- Which scores has each call? One row per (request_id, name); the newest value counts. A rating is a score, 1 or 0, as well.
create or replace view scores as
select
    request_id,
    name,
    arg_max(value, created_at) as value,
    max(created_at) as created_at
from (
    select request_id, name, value, created_at from all_scores
    union all
    select request_id, 'helicone-score-feedback', cast(rating as double), created_at from all_feedback
)
group by request_id, name;

-- Which properties were set after each call? One row per (request_id, name); the newest value counts.
create or replace view property_changes as
select
    request_id,
    name,
    arg_max(value, created_at) as value,
    max(created_at) as created_at
from all_property_changes
group by request_id, name;
