-- Which models are used, how often, and what does each cost?
-- `response_model` is the one that answered; where none did, the one that was asked for.
select
    provider_name, model as response_model, -- by
    count(*) as calls,
    count(error_type) as errors,
    cast(sum(input_tokens) as bigint) as input_tokens,
    cast(sum(output_tokens) as bigint) as output_tokens,
    sum(cost_nanousd) / 1e9 as cost_usd,
    count(*) - count(cost_nanousd) as unpriced
from calls
group by all
order by cost_usd desc nulls last, calls desc, 1
limit getvariable('most')
