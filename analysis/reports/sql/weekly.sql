-- What happened last week, against the week before: spend, calls, errors, speed, by day, model, user and repository?
-- since: last-week
-- until: this-week
-- limit: 8
-- One row for all calls (part = 'total'), then one for each day, error, model, user and repository; of each at most as
-- many as asked for, those that cost most in either week. A day stands beside the same weekday of the week before.
-- Durations are those of answers that a provider gave: no errors, which are quick or time out, and no cache hits.
with shift as (
    select cast(round((epoch(getvariable('since')) - epoch(getvariable('before_since'))) / 86400) as integer) as days
),
summed as (
    select
        grouping(weekday, error_type, model, user_id, client_repository) as level,
        coalesce(cast(weekday as varchar), error_type, model, user_id, client_repository) as name,
        cast(coalesce(sum(call_count) filter (is_now), 0) as bigint) as calls,
        cast(coalesce(sum(error_count) filter (is_now), 0) as bigint) as errors,
        cast(sum(input_tokens) filter (is_now) as bigint) as input_tokens,
        cast(sum(cache_read_input_tokens) filter (is_now) as bigint) as cache_read_input_tokens,
        cast(sum(output_tokens) filter (is_now) as bigint) as output_tokens,
        sum(cost_nanousd) filter (is_now) / 1e9 as cost_usd,
        cast(coalesce(sum(unpriced_count) filter (is_now), 0) as bigint) as unpriced,
        cast(coalesce(sum(call_count) filter (is_now and is_hit), 0) as bigint) as cache_hits,
        sum(saved_nanousd) filter (is_now) / 1e9 as saved_usd,
        cast(coalesce(sum(call_count) filter (not is_now), 0) as bigint) as before_calls,
        cast(coalesce(sum(error_count) filter (not is_now), 0) as bigint) as before_errors,
        cast(sum(input_tokens) filter (not is_now) as bigint) as before_input_tokens,
        cast(sum(cache_read_input_tokens) filter (not is_now) as bigint) as before_cache_read_input_tokens,
        cast(sum(output_tokens) filter (not is_now) as bigint) as before_output_tokens,
        sum(cost_nanousd) filter (not is_now) / 1e9 as before_cost_usd,
        cast(coalesce(sum(unpriced_count) filter (not is_now), 0) as bigint) as before_unpriced,
        cast(coalesce(sum(call_count) filter (not is_now and is_hit), 0) as bigint) as before_cache_hits,
        sum(saved_nanousd) filter (not is_now) / 1e9 as before_saved_usd
    from (
        select *, true as is_now, day as weekday, cache_status in ('hit', 'coalesced') as is_hit
        from calls_summed
        union all
        select calls_summed_before.*, false, day + days, cache_status in ('hit', 'coalesced')
        from calls_summed_before, shift
    )
    group by grouping sets ((), (weekday), (error_type), (model), (user_id), (client_repository))
),
timed as (
    select
        grouping(weekday, error_type, model, user_id, client_repository) as level,
        coalesce(cast(weekday as varchar), error_type, model, user_id, client_repository) as name,
        quantile_cont(duration_ms, [0.5, 0.95]) filter (is_now) as durations,
        quantile_cont(duration_ms, [0.5, 0.95]) filter (not is_now) as before_durations
    from (
        select true as is_now, day as weekday, duration_ms, error_type, cache_status, model, user_id, client_repository
        from calls
        union all
        select false, day + days, duration_ms, error_type, cache_status, model, user_id, client_repository
        from calls_before, shift
    )
    where error_type is null and coalesce(cache_status, 'miss') in ('miss', 'unavailable')
    group by grouping sets ((), (weekday), (error_type), (model), (user_id), (client_repository))
),
grouped as (
    select
        case summed.level
            when 31 then 'total'
            when 15 then 'day'
            when 23 then 'error'
            when 27 then 'model'
            when 29 then 'user'
            else 'repository'
        end as part,
        summed.* exclude (level),
        cast(round(durations[1]) as bigint) as p50_ms,
        cast(round(durations[2]) as bigint) as p95_ms,
        cast(round(before_durations[1]) as bigint) as before_p50_ms,
        cast(round(before_durations[2]) as bigint) as before_p95_ms
    from summed
    left join timed on timed.level = summed.level and timed.name is not distinct from summed.name
)
select
    *,
    count(*) over (partition by part) as "of"
from grouped
where part != 'error' or name is not null
qualify
    part = 'day'
    or row_number() over (
        partition by part
        order by greatest(cost_usd, before_cost_usd) desc nulls last, greatest(calls, before_calls) desc, name
    ) <= getvariable('most')
order by
    list_position(['total', 'day', 'error', 'model', 'user', 'repository'], part),
    case when part = 'day' then name end,
    cost_usd desc nulls last,
    calls desc,
    before_cost_usd desc nulls last,
    name
