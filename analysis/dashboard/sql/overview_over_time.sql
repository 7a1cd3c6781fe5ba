-- What did the calls come to at each step, by what the chart is stacked by?
select
    day as at, model as series, -- by
    count(*) as calls,
    count(error_type) as errors,
    sum(cost_nanousd) / 1e9 as cost_usd,
    cast(sum(input_tokens) as bigint) + cast(sum(output_tokens) as bigint) as tokens,
    sum(saved_nanousd) / 1e9 as saved_usd
from calls
group by all
