-- Which scores do answers have, by model or by what --by names?
-- One row per group and score. Ratings, which the view `scores` has as helicone-score-feedback, are in the report `feedback`.
select
    model, -- by
    scores.name as score, -- key
    count(*) as calls, -- that have this score
    avg(scores.value) as mean, -- plot
    median(scores.value) as median,
    min(scores.value) as lowest,
    max(scores.value) as highest
from calls join scores using (request_id)
where scores.name <> 'helicone-score-feedback'
group by all
order by calls desc, score, 1
limit getvariable('most')
