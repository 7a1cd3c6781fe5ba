-- How are answers rated and scored, by model or by what --by names?
-- by: model
-- One row per group and score. A rating is the score helicone-score-feedback, 1 or 0: its mean is the share of good ones.
select
    {dimensions},
    scores.name as score,
    count(*) as calls, -- that have this score
    avg(scores.value) as mean,
    median(scores.value) as median,
    min(scores.value) as lowest,
    max(scores.value) as highest
from requests join scores using (request_id)
where started_at >= $since and started_at < $until
group by all
order by {times_first} calls desc, score, 1
limit $limit
