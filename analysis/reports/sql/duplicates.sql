-- Which equal calls reach a provider again and again, so that the cache would save money?
-- Equal: the same request, word for word, under the same keys to the same model and path. `saved_usd` is what all of them but
-- the first cost: the cache would save it if answers were kept as long as the window is. Calls whose request was not kept
-- whole are left out. `request_hash` tells requests apart: it is the same in another period. Bodies are read of the calls alone that are equal in size and tokens, of the 1,000 largest such groups.
with comparable as not materialized (
    select
        *,
        hash(
            provider_name, host, path, request_model, api_key_hash, helicone_key_hash, request_bytes, input_tokens
        ) as size_key
    from calls
    where
        error_type is null
        and cost_nanousd is distinct from 0
        and coalesce(cache_status, 'miss') in ('miss', 'unavailable')
        and mode <> 'async' -- those do not come through the proxy
        and date >= (select min(date) from bodies) -- bodies may be kept for less time than calls
),
sizes as (
    select size_key
    from (
        select size_key, sum(cost_nanousd) - max(cost_nanousd) as nanousd_of_others, count(*) as calls
        from comparable
        group by size_key
        having count(*) > 1
    )
    order by nanousd_of_others desc nulls last, calls desc, size_key
    limit 1000
),
candidates as materialized ( -- asked four times
    select * from comparable where size_key in (select size_key from sizes)
),
requests_kept as (
    select request_id, started_at, hash(request_body) as body_key
    from bodies
    where
        request_id in (select request_id from candidates)
        and date between (select min(date) from candidates) and (select max(date) from candidates)
        and request_body is not null and not request_truncated
),
equal_calls as (
    select
        model, -- by
        size_key,
        body_key,
        any_value(
            concat_ws(
                ' ', provider_name, host, path, request_model, api_key_hash, helicone_key_hash,
                cast(request_bytes as varchar), cast(input_tokens as varchar)
            )
        ) as size_text,
        count(*) as calls,
        count(distinct user_id) as users,
        sum(cost_nanousd) / 1e9 as cost_usd,
        (sum(cost_nanousd) - arg_min(cost_nanousd, started_at)) / 1e9 as saved_usd, -- plot
        cast(sum(duration_ms) - arg_min(duration_ms, started_at) as bigint) as saved_ms,
        count(*) - count(cost_nanousd) as unpriced,
        max(started_at) as last_call_at,
        arg_max(request_id, started_at) as request_id -- the last of them
    from candidates join requests_kept using (request_id, started_at)
    group by all
    having count(*) > 1
),
shown as (
    select * exclude (size_key, body_key)
    from equal_calls
    order by saved_usd desc nulls last, calls desc, request_id
    limit getvariable('most')
)
select
    shown.* exclude (size_text),
    -- Of the rows shown alone: MD5 takes ten times as long as `hash`.
    left(
        md5(concat_ws(' ', size_text, request_body)),
        16
    ) as request_hash -- key
from shown join bodies on bodies.request_id = shown.request_id and bodies.started_at = shown.last_call_at
order by saved_usd desc nulls last, calls desc, request_id
