-- How often does the cache answer, and how much money and time does that save, by model or by what --by names?
-- Of calls that had the cache on. `hit_rate` is the share that it answered, those that shared an identical call's answer
-- included. The time saved is what the original call took, less what this one took.
with counted as (
    select
        model, -- by
        row(
            true, -- else a row of one column is not a row
            model -- by
        ) as group_key,
        cast(sum(call_count) as bigint) as calls,
        cast(coalesce(sum(call_count) filter (where cache_status = 'hit'), 0) as bigint) as hits,
        cast(coalesce(sum(call_count) filter (where cache_status = 'coalesced'), 0) as bigint) as coalesced,
        cast(coalesce(sum(call_count) filter (where cache_status = 'miss'), 0) as bigint) as misses,
        cast(coalesce(sum(call_count) filter (where cache_status = 'unavailable'), 0) as bigint) as unavailable,
        sum(saved_nanousd) / 1e9 as saved_usd,
        cast(coalesce(sum(call_count) filter (
            where cache_status in ('hit', 'coalesced') and saved_nanousd is null
        ), 0) as bigint) as unpriced
    from calls_summed
    where cache_status is not null
    group by all
),
saved as (
    select
        row(
            true,
            model -- by
        ) as group_key,
        cast(sum(saved_ms) as bigint) as saved_ms
    from calls_saved
    where cache_status is not null
    group by all
)
select
    * exclude (group_key, saved_usd, unpriced, saved_ms),
    round((hits + coalesced) / calls, 4) as hit_rate,
    saved_usd, -- plot
    unpriced, -- hits
    saved_ms
from counted left join saved using (group_key)
order by saved_usd desc nulls last, calls desc, 1
limit getvariable('most')
