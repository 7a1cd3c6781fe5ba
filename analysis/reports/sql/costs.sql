-- What did the calls cost, by day or by what --by names?
select
    day, -- by
    cast(sum(call_count) as bigint) as calls,
    cast(sum(error_count) as bigint) as errors,
    cast(sum(input_tokens) as bigint) as input_tokens,
    cast(sum(cache_read_input_tokens) as bigint) as cache_read_input_tokens,
    cast(sum(output_tokens) as bigint) as output_tokens,
    sum(cost_nanousd) / 1e9 as cost_usd, -- NULL if no call of the group has a price
    cast(sum(unpriced_count) as bigint) as unpriced
from calls_summed
group by all
order by day desc, cost_usd desc nulls last, calls desc, 1
limit getvariable('most')
