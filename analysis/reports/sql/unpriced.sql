-- Which calls have no price, and why?
-- They are in no sum of costs: unknown is not 0.
select
    provider_name, model as response_model, -- by
    case
        when (input_tokens is null or output_tokens is null) and error_type is not null
            then 'ended (' || error_type || ') before its usage was known'
        when (input_tokens is null or output_tokens is null) and not states_usage
            then 'no usage found in the answer: not stated, or in a form that heliograph does not read'
        when input_tokens is null or output_tokens is null
            then 'heliograph does not read all of the usage that the provider stated; the column usage_raw has it'
        when model is null then 'names no model'
        else 'no price known; add one under [[prices]] in heliograph.toml: later calls have it at once, stored ones by heliograph reprice'
    end as why, -- key
    cast(sum(call_count) as bigint) as calls,
    cast(sum(error_count) as bigint) as errors,
    cast(sum(input_tokens) as bigint) as input_tokens,
    cast(sum(output_tokens) as bigint) as output_tokens
from calls_summed
where cost_nanousd is null
group by all
order by calls desc, 1
limit getvariable('most')
