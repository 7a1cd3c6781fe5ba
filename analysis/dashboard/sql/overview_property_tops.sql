-- Which values of the properties `names` cost the most, or were called most?
with sums as (
    select
        dimension,
        properties[dimension] as name, -- NULL: calls without it
        cast(sum(call_count) as bigint) as calls,
        cast(sum(error_count) as bigint) as errors,
        sum(cost_nanousd) / 1e9 as cost_usd,
        cast(sum(unpriced_count) as bigint) as unpriced
    from
        calls_summed,
        (select unnest(cast(getvariable('names') as varchar[])) as dimension) -- one look at the calls for all
    group by all
)
select *
from sums
qualify row_number() over (partition by dimension order by cost_usd desc nulls last, calls desc, name) <= 8
order by dimension, cost_usd desc nulls last, calls desc, name
