-- Which ones cost the most, or were called most?
select
    model as name, -- by
    count(*) as calls,
    count(error_type) as errors,
    sum(cost_nanousd) / 1e9 as cost_usd,
    count(*) - count(cost_nanousd) as unpriced,
    cast(sum(input_tokens) as bigint) + cast(sum(output_tokens) as bigint) as tokens
from calls
group by all
order by cost_usd desc nulls last, calls desc, 1
limit 8
