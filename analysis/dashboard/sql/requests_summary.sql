-- How many calls fit, and what did they cost?
select
    cast(coalesce(sum(call_count), 0) as bigint) as calls,
    cast(coalesce(sum(error_count), 0) as bigint) as errors,
    sum(cost_nanousd) / 1e9 as cost_usd,
    cast(coalesce(sum(unpriced_count), 0) as bigint) as unpriced
from calls_summed
