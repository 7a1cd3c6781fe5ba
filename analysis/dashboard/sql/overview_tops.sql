-- Which models, users, repositories and errors cost the most, or were called most?
with sums as (
    select
        case
            when grouping(model) = 0 then 'model'
            when grouping("user") = 0 then 'user'
            when grouping(repository) = 0 then 'repository'
            else 'error'
        end as dimension,
        coalesce(model, "user", repository, error) as name, -- of another dimension they are NULL
        cast(sum(call_count) as bigint) as calls,
        cast(sum(error_count) as bigint) as errors,
        sum(cost_nanousd) / 1e9 as cost_usd,
        cast(sum(unpriced_count) as bigint) as unpriced,
        cast(sum(input_tokens) as bigint) + cast(sum(output_tokens) as bigint) as tokens
    from calls_summed
    group by grouping sets ((model), ("user"), (repository), (error)) -- one look at the calls for all
)
select *
from sums
where dimension <> 'error' or name is not null
qualify row_number() over (partition by dimension order by cost_usd desc nulls last, calls desc, name) <= 8
order by dimension, cost_usd desc nulls last, calls desc, name
