-- Which calls have no price, and why?
-- They are in no sum of costs: unknown is not 0.
select
    provider_name,
    coalesce(response_model, request_model) as model,
    case
        when (input_tokens is null or output_tokens is null) and error_type is not null
            then 'ended (' || error_type || ') before its usage was known'
        when input_tokens is null and output_tokens is null then 'the provider stated no usage'
        when coalesce(response_model, request_model) is null then 'names no model'
        else 'no price known; add one under [[prices]] in heliograph.toml'
    end as why,
    count(*) as calls,
    count(error_type) as errors,
    cast(sum(input_tokens) as bigint) as input_tokens,
    cast(sum(output_tokens) as bigint) as output_tokens
from requests
where started_at >= $since and started_at < $until and cost_nanousd is null
group by all
order by calls desc, 1
limit $limit
