-- How often does the cache answer, and how much money and time does that save, by model or by what --by names?
-- Of calls that had the cache on. `hit_rate` is the share that it answered, those that shared an identical call's answer
-- included. The time saved is what the original call took, less what this one took.
with originals as ( -- ids may repeat
    select request_id as cache_reference_id, any_value(duration_ms) as original_ms
    from requests
    where request_id in (select cache_reference_id from calls)
    group by request_id
)
select
    model, -- by
    count(*) as calls,
    count(*) filter (where cache_status = 'hit') as hits,
    count(*) filter (where cache_status = 'coalesced') as coalesced,
    count(*) filter (where cache_status = 'miss') as misses,
    count(*) filter (where cache_status = 'unavailable') as unavailable,
    round(count(*) filter (where cache_status in ('hit', 'coalesced')) / count(*), 4) as hit_rate,
    sum(saved_nanousd) / 1e9 as saved_usd, -- plot
    count(*) filter (where cache_status in ('hit', 'coalesced') and saved_nanousd is null) as unpriced, -- hits
    cast(sum(original_ms - duration_ms) as bigint) as saved_ms
from calls left join originals using (cache_reference_id)
where cache_status is not null
group by all
order by saved_usd desc nulls last, calls desc, 1
limit getvariable('most')
