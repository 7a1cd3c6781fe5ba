-- Which ones cost the most, or were called most?
select
    model as name, -- by
    cast(sum(call_count) as bigint) as calls,
    cast(sum(error_count) as bigint) as errors,
    sum(cost_nanousd) / 1e9 as cost_usd,
    cast(sum(unpriced_count) as bigint) as unpriced,
    cast(sum(input_tokens) as bigint) + cast(sum(output_tokens) as bigint) as tokens
from calls_summed
group by all
order by cost_usd desc nulls last, calls desc, 1
limit 8
