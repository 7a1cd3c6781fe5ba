-- What do all calls come to?
select
    cast(coalesce(sum(call_count), 0) as bigint) as calls,
    cast(coalesce(sum(error_count), 0) as bigint) as errors,
    cast(sum(input_tokens) as bigint) as input_tokens,
    cast(sum(output_tokens) as bigint) as output_tokens,
    sum(cost_nanousd) / 1e9 as cost_usd,
    cast(coalesce(sum(unpriced_count), 0) as bigint) as unpriced,
    cast(coalesce(sum(call_count - unpriced_count) filter (where usage_source = 'estimated'), 0) as bigint) as estimated,
    cast(coalesce(sum(unpriced_count) filter (
        where error_type is null and (input_tokens is null or output_tokens is null)
    ), 0) as bigint) as unread
from calls_summed
