-- Which properties are set, to what, and what do the calls with each value cost?
-- A call with two properties counts under both, so the rows do not add up to the whole.
with sets as (
    -- Calls share few sets of properties: summed by set first, not each of millions of maps is taken apart. By its hash,
    -- as grouping by maps takes twice as long; among a million sets, two share their 64 bits once in 37 million reports.
    select
        any_value(properties) as properties,
        cast(sum(call_count) as bigint) as calls,
        cast(sum(error_count) as bigint) as errors,
        sum(input_tokens) as input_tokens,
        sum(output_tokens) as output_tokens,
        sum(cost_nanousd) as cost_nanousd,
        cast(sum(unpriced_count) as bigint) as unpriced
    from calls_summed
    group by hash(properties)
),
pairs as (
    select unnest(map_entries(properties)) as pair, * from sets
)
select
    pair.key as property, -- key
    pair.value as value, -- key
    cast(sum(calls) as bigint) as calls,
    cast(sum(errors) as bigint) as errors,
    cast(sum(input_tokens) as bigint) as input_tokens,
    cast(sum(output_tokens) as bigint) as output_tokens,
    sum(cost_nanousd) / 1e9 as cost_usd,
    cast(sum(unpriced) as bigint) as unpriced
from pairs
group by all
order by property, cost_usd desc nulls last, calls desc, value
limit getvariable('most')
