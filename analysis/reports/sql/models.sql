-- Which models are used, how often, and what does each cost?
-- `response_model` is what answered; where nothing did, what was asked for.
select
    provider_name,
    coalesce(response_model, request_model) as response_model,
    count(*) as calls,
    count(error_type) as errors,
    cast(sum(input_tokens) as bigint) as input_tokens,
    cast(sum(output_tokens) as bigint) as output_tokens,
    sum(cost_nanousd) / 1e9 as cost_usd,
    count(*) - count(cost_nanousd) as unpriced
from requests
where started_at >= $since and started_at < $until
group by all
order by cost_usd desc nulls last, calls desc, 1
limit $limit
