-- What do the lines under a report need of the calls? A row for all calls that are alike in it.
select
    provider_name,
    model,
    error_type,
    usage_source,
    sum(call_count) as call_count,
    sum(error_count) as error_count,
    sum(unpriced_count) as unpriced_count,
    sum(input_tokens) as input_tokens,
    sum(output_tokens) as output_tokens,
    sum(cost_nanousd) as cost_nanousd
from calls_in_brief
group by
    provider_name,
    model,
    error_type,
    usage_source,
    input_tokens is null,
    output_tokens is null,
    cost_nanousd is null
