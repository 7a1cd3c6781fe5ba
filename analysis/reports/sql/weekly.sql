-- What happened last week, against the week before: spend, calls, errors, speed, by day, model, user and repository?
-- since: last-week
-- until: this-week
-- limit: 8
-- One row for all calls (part = 'total'), then one for each day, error, model, user and repository; of each at most as
-- many as asked for, those that cost most in either week. A day stands beside the same weekday of the week before.
-- Durations are those of answers that a provider gave: no errors, which are quick or time out, and no cache hits.
with both_weeks as (
    select *, true as is_now, day as weekday from calls
    union all
    select
        *,
        false,
        day + cast(round((epoch(getvariable('since')) - epoch(getvariable('before_since'))) / 86400) as integer)
    from calls_before
),
measured as (
    select
        *,
        case when error_type is null and coalesce(cache_status, 'miss') in ('miss', 'unavailable') then duration_ms end
            as provider_ms,
        cache_status in ('hit', 'coalesced') as is_hit
    from both_weeks
),
grouped as (
    select
        case grouping(weekday, error_type, model, user_id, client_repository)
            when 31 then 'total'
            when 15 then 'day'
            when 23 then 'error'
            when 27 then 'model'
            when 29 then 'user'
            else 'repository'
        end as part,
        coalesce(cast(weekday as varchar), error_type, model, user_id, client_repository) as name,
        count(*) filter (is_now) as calls,
        count(error_type) filter (is_now) as errors,
        cast(sum(input_tokens) filter (is_now) as bigint) as input_tokens,
        cast(sum(cache_read_input_tokens) filter (is_now) as bigint) as cache_read_input_tokens,
        cast(sum(output_tokens) filter (is_now) as bigint) as output_tokens,
        sum(cost_nanousd) filter (is_now) / 1e9 as cost_usd,
        count(*) filter (is_now and cost_nanousd is null) as unpriced,
        count(*) filter (is_now and is_hit) as cache_hits,
        sum(saved_nanousd) filter (is_now) / 1e9 as saved_usd,
        cast(round(quantile_cont(provider_ms, 0.5) filter (is_now)) as bigint) as p50_ms,
        cast(round(quantile_cont(provider_ms, 0.95) filter (is_now)) as bigint) as p95_ms,
        count(*) filter (not is_now) as before_calls,
        count(error_type) filter (not is_now) as before_errors,
        cast(sum(input_tokens) filter (not is_now) as bigint) as before_input_tokens,
        cast(sum(cache_read_input_tokens) filter (not is_now) as bigint) as before_cache_read_input_tokens,
        cast(sum(output_tokens) filter (not is_now) as bigint) as before_output_tokens,
        sum(cost_nanousd) filter (not is_now) / 1e9 as before_cost_usd,
        count(*) filter (not is_now and cost_nanousd is null) as before_unpriced,
        count(*) filter (not is_now and is_hit) as before_cache_hits,
        sum(saved_nanousd) filter (not is_now) / 1e9 as before_saved_usd,
        cast(round(quantile_cont(provider_ms, 0.5) filter (not is_now)) as bigint) as before_p50_ms,
        cast(round(quantile_cont(provider_ms, 0.95) filter (not is_now)) as bigint) as before_p95_ms
    from measured
    group by grouping sets ((), (weekday), (error_type), (model), (user_id), (client_repository))
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
