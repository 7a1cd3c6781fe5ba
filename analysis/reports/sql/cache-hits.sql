-- Which calls did the cache answer most often, and what did that save?
-- One row for each call whose answer was given again; `request_id` is that call, which may be older than the window.
with shown as materialized ( -- of a hundred thousand such calls: all else is worked out for those that are shown
    select cache_reference_id, count(*) as hits, sum(saved_nanousd) / 1e9 as saved_usd
    from calls_hit
    group by cache_reference_id
    order by hits desc, saved_usd desc nulls last, cache_reference_id
    limit getvariable('most')
),
details as materialized (
    select
        cache_reference_id,
        any_value(model) as model,
        count(*) filter (where cache_status = 'coalesced') as coalesced,
        count(distinct user_id) as users,
        sum(duration_ms) as hits_ms,
        count(duration_ms) as timed,
        max(started_at) as last_hit_at,
        any_value(original_ms) as known_ms -- out of summaries
    from calls_hit
    where cache_reference_id in (select cache_reference_id from shown)
    group by cache_reference_id
),
originals as ( -- ids may repeat
    select request_id as cache_reference_id, any_value(duration_ms) as original_ms
    from requests
    where request_id in (select cache_reference_id from details where known_ms is null)
    group by request_id
)
select
    cache_reference_id as request_id,
    model,
    hits,
    coalesced,
    users,
    saved_usd, -- plot
    cast(coalesce(known_ms, original_ms) * timed - hits_ms as bigint) as saved_ms,
    last_hit_at
from shown
join details using (cache_reference_id)
left join originals using (cache_reference_id)
order by hits desc, saved_usd desc nulls last, request_id
