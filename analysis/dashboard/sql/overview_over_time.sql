-- What did the calls come to at each step, by what the chart is stacked by?
select
    day as at, model as series, -- by
    cast(sum(call_count) as bigint) as calls,
    cast(sum(error_count) as bigint) as errors,
    sum(cost_nanousd) / 1e9 as cost_usd,
    cast(sum(input_tokens) as bigint) + cast(sum(output_tokens) as bigint) as tokens,
    sum(saved_nanousd) / 1e9 as saved_usd
from calls_summed
group by all
