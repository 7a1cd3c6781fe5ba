-- What do all calls come to?
select
    count(*) as calls,
    count(error_type) as errors,
    cast(sum(input_tokens) as bigint) as input_tokens,
    cast(sum(output_tokens) as bigint) as output_tokens,
    sum(cost_nanousd) / 1e9 as cost_usd,
    count(*) - count(cost_nanousd) as unpriced,
    count(cost_nanousd) filter (where usage_source = 'estimated') as estimated,
    count(*) filter (
        where cost_nanousd is null and error_type is null and (input_tokens is null or output_tokens is null)
    ) as unread
from calls
