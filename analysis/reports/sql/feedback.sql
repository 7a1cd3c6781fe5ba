-- How many answers are rated, and how many of them well, by model or by what --by names?
-- The newest rating of a call counts. Scores are in `scores`.
select
    model, -- by
    count(*) as calls,
    count(rating) as rated,
    count(*) filter (where rating) as good,
    count(*) filter (where not rating) as bad,
    round(avg(cast(rating as int)), 4) as good_rate, -- of those that are rated
    max(feedback.created_at) as last_rated_at
from calls left join feedback using (request_id)
group by all
having count(rating) > 0
order by rated desc, calls desc, 1
limit getvariable('most')
