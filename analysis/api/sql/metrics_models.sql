-- What does each model that was called come to? Those with most calls first; cost in USD, NULL where no call has a price.
select
    coalesce(response_model, request_model) as model,
    count(*) as total_requests,
    cast(sum(output_tokens) as bigint) as total_completion_tokens,
    cast(sum(input_tokens) as bigint) as total_prompt_token, -- Helicone's spelling
    cast(coalesce(sum(input_tokens) + sum(output_tokens), sum(input_tokens), sum(output_tokens)) as bigint) as total_tokens,
    sum(cost_nanousd) / 1e9 as cost
from requests
where started_at >= $since and started_at < $until and {condition}
group by 1
order by total_requests desc, model
limit $limit offset $offset
