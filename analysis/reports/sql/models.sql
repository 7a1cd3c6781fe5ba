-- Which models are used, how often, and what does each cost?
-- `response_model` is the one that answered; where none did, the one that was asked for.
select
    provider_name, model as response_model, -- by
    cast(sum(call_count) as bigint) as calls,
    cast(sum(error_count) as bigint) as errors,
    cast(sum(input_tokens) as bigint) as input_tokens,
    cast(sum(output_tokens) as bigint) as output_tokens,
    sum(cost_nanousd) / 1e9 as cost_usd,
    cast(sum(unpriced_count) as bigint) as unpriced
from calls_summed
group by all
order by cost_usd desc nulls last, calls desc, 1
limit getvariable('most')
