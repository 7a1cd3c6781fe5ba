-- How many answers are rated, and how many of them well, by model or by what --by names?
-- The newest rating of a call counts. Scores are in `scores`.
with said as (
    select
        model, -- by
        call_count, cast(null as boolean) as rating, cast(null as timestamptz) as rated_at
    from calls_summed
    union all
    select
        model, -- by
        0 as call_count, feedback.rating, feedback.created_at as rated_at
    from calls join feedback using (request_id)
)
select
    model, -- by
    cast(sum(call_count) as bigint) as calls,
    count(rating) as rated,
    count(*) filter (where rating) as good,
    count(*) filter (where not rating) as bad,
    round(avg(cast(rating as int)), 4) as good_rate, -- of those that are rated
    max(rated_at) as last_rated_at
from said
group by all
having count(rating) > 0
order by rated desc, calls desc, 1
limit getvariable('most')
