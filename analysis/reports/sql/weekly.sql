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
both_periods as not materialized (
    select *, true as is_now, day as weekday, if(cache_status in ('hit', 'coalesced'), call_count, 0) as hit_count
    from calls_summed
    union all
    select calls_summed_before.*, false, day + days, if(cache_status in ('hit', 'coalesced'), call_count, 0)
    from calls_summed_before, shift
),
by_few as ( -- in two steps: five groupings of all rows take four times as long
    select
        weekday, error_type, model, user_id, client_repository, is_now,
        grouping(weekday) = 1 as is_by_person,
        sum(call_count) as call_count,
        sum(error_count) as error_count,
        sum(unpriced_count) as unpriced_count,
        sum(hit_count) as hit_count,
        sum(input_tokens) as input_tokens,
        sum(cache_read_input_tokens) as cache_read_input_tokens,
        sum(output_tokens) as output_tokens,
        sum(cost_nanousd) as cost_nanousd,
        sum(saved_nanousd) as saved_nanousd
    from both_periods
    group by grouping sets ((is_now, weekday, error_type, model), (is_now, user_id, client_repository))
),
parts as (
    select
        case
            when grouping(weekday) = 0 then 'day'
            when grouping(error_type) = 0 then 'error'
            when grouping(model) = 0 then 'model'
            when grouping(user_id) = 0 then 'user'
            when grouping(client_repository) = 0 then 'repository'
            else 'total'
        end as part,
        coalesce(cast(weekday as varchar), error_type, model, user_id, client_repository) as name,
        is_now,
        is_by_person,
        sum(call_count) as call_count,
        sum(error_count) as error_count,
        sum(unpriced_count) as unpriced_count,
        sum(hit_count) as hit_count,
        sum(input_tokens) as input_tokens,
        sum(cache_read_input_tokens) as cache_read_input_tokens,
        sum(output_tokens) as output_tokens,
        sum(cost_nanousd) as cost_nanousd,
        sum(saved_nanousd) as saved_nanousd
    from by_few
    group by grouping sets (
        (is_now, is_by_person), (is_now, is_by_person, weekday), (is_now, is_by_person, error_type),
        (is_now, is_by_person, model), (is_now, is_by_person, user_id), (is_now, is_by_person, client_repository)
    )
    union all
    select 'total', null, true, false, 0, 0, 0, 0, null, null, null, null, null -- where there are no calls, too
),
summed as (
    select
        part,
        name,
        cast(coalesce(sum(call_count) filter (is_now), 0) as bigint) as calls,
        cast(coalesce(sum(error_count) filter (is_now), 0) as bigint) as errors,
        cast(sum(input_tokens) filter (is_now) as bigint) as input_tokens,
        cast(sum(cache_read_input_tokens) filter (is_now) as bigint) as cache_read_input_tokens,
        cast(sum(output_tokens) filter (is_now) as bigint) as output_tokens,
        sum(cost_nanousd) filter (is_now) / 1e9 as cost_usd,
        cast(coalesce(sum(unpriced_count) filter (is_now), 0) as bigint) as unpriced,
        cast(coalesce(sum(hit_count) filter (is_now), 0) as bigint) as cache_hits,
        sum(saved_nanousd) filter (is_now) / 1e9 as saved_usd,
        cast(coalesce(sum(call_count) filter (not is_now), 0) as bigint) as before_calls,
        cast(coalesce(sum(error_count) filter (not is_now), 0) as bigint) as before_errors,
        cast(sum(input_tokens) filter (not is_now) as bigint) as before_input_tokens,
        cast(sum(cache_read_input_tokens) filter (not is_now) as bigint) as before_cache_read_input_tokens,
        cast(sum(output_tokens) filter (not is_now) as bigint) as before_output_tokens,
        sum(cost_nanousd) filter (not is_now) / 1e9 as before_cost_usd,
        cast(coalesce(sum(unpriced_count) filter (not is_now), 0) as bigint) as before_unpriced,
        cast(coalesce(sum(hit_count) filter (not is_now), 0) as bigint) as before_cache_hits,
        sum(saved_nanousd) filter (not is_now) / 1e9 as before_saved_usd
    from parts
    where is_by_person = (part in ('user', 'repository'))
    group by part, name
),
shown as materialized (
    select
        *,
        count(*) over (partition by part) as "of"
    from summed
    where part != 'error' or name is not null
    qualify
        part = 'day'
        or row_number() over (
            partition by part
            order by greatest(cost_usd, before_cost_usd) desc nulls last, greatest(calls, before_calls) desc, name
        ) <= getvariable('most')
),
answers as not materialized (
    select is_now, weekday, duration_ms, model, user_id, client_repository
    from (
        select true as is_now, day as weekday, duration_ms, error_type, cache_status, model, user_id, client_repository
        from calls
        union all
        select false, day + days, duration_ms, error_type, cache_status, model, user_id, client_repository
        from calls_before, shift
    )
    where error_type is null and coalesce(cache_status, 'miss') in ('miss', 'unavailable')
),
timed as (
    select
        case grouping(weekday, model) when 3 then 'total' when 1 then 'day' else 'model' end as part,
        coalesce(cast(weekday as varchar), model) as name,
        quantile_cont(duration_ms, [0.5, 0.95]) filter (is_now) as durations,
        quantile_cont(duration_ms, [0.5, 0.95]) filter (not is_now) as before_durations
    from answers
    group by grouping sets ((), (weekday), (model))
    union all
    select
        'user' as part,
        user_id as name,
        quantile_cont(duration_ms, [0.5, 0.95]) filter (is_now) as durations,
        quantile_cont(duration_ms, [0.5, 0.95]) filter (not is_now) as before_durations
    from answers
    where row(true, user_id) in (select row(true, name) from shown where part = 'user')
    group by user_id
    union all
    select
        'repository' as part,
        client_repository as name,
        quantile_cont(duration_ms, [0.5, 0.95]) filter (is_now) as durations,
        quantile_cont(duration_ms, [0.5, 0.95]) filter (not is_now) as before_durations
    from answers
    where row(true, client_repository) in (select row(true, name) from shown where part = 'repository')
    group by client_repository
)
select
    shown.* exclude ("of"),
    cast(round(durations[1]) as bigint) as p50_ms,
    cast(round(durations[2]) as bigint) as p95_ms,
    cast(round(before_durations[1]) as bigint) as before_p50_ms,
    cast(round(before_durations[2]) as bigint) as before_p95_ms,
    "of"
from shown
left join timed on timed.part = shown.part and timed.name is not distinct from shown.name
order by
    list_position(['total', 'day', 'error', 'model', 'user', 'repository'], shown.part),
    case when shown.part = 'day' then shown.name end,
    cost_usd desc nulls last,
    calls desc,
    before_cost_usd desc nulls last,
    shown.name
