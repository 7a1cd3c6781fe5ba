-- On which days was a user, or what --by names, far off its own habit?
-- The habit is the median of the 28 days before, of days on which anybody called; `deviations` says how many usual deviations
-- (1.4826 times the median absolute deviation) the day is away from it. A row: more than 3.5, as Iglewicz and Hoaglin advise,
-- and at least 7 days of history. A low day must be below all days before; the last day, which may not be over, is never
-- low. NULL in the columns of --by: all calls. Of the 500 largest groups.
with daily as (
    select
        "user", -- by
        day as on_day,
        bool_or(is_now) as is_now,
        cast(sum(call_count) as bigint) as calls,
        cast(sum(error_count) as bigint) as errors,
        cast(sum(coalesce(input_tokens + output_tokens, input_tokens, output_tokens)) as bigint) as tokens,
        cast(sum(cost_nanousd) as bigint) as nanousd
    from (
        select *, true as is_now from calls_summed
        union all by name
        select *, false as is_now from calls_summed_before
    )
    group by all
),
calendar as (
    select
        on_day,
        bool_or(is_now) as is_now,
        cast(sum(calls) as bigint) as calls,
        cast(sum(errors) as bigint) as errors,
        cast(sum(tokens) as bigint) as tokens,
        cast(sum(nanousd) as bigint) as nanousd
    from daily
    group by on_day
),
named as ( -- what a group is called, and a short key for that
    select
        columns(* exclude (on_day, is_now, calls, errors, tokens, nanousd)),
        hash(*columns(* exclude (on_day, is_now, calls, errors, tokens, nanousd))) as group_key,
        on_day, calls, errors, tokens, nanousd
    from daily
    where concat(*columns(* exclude (on_day, is_now, calls, errors, tokens, nanousd))) <> '' -- those are in all calls
    union all by name
    select 0 as group_key, on_day, calls, errors, tokens, nanousd from calendar
),
groups as (
    select group_key, min(on_day) as first_day
    from named
    group by group_key
    order by group_key = 0 desc, sum(nanousd) desc nulls last, sum(calls) desc, group_key
    limit 500
),
measured as (
    select group_key, on_day, is_now, unnest(measures) as measured
    from (
        select
            group_key,
            on_day,
            calendar.is_now,
            [ -- a day without calls has 0 of all; `least`: a deviation that is too small to speak of
                {measure: 'calls', value: coalesce(named.calls, 0), least: 1},
                {measure: 'errors', value: coalesce(named.errors, 0), least: 1},
                {measure: 'tokens', value: if(named.calls is null, 0, named.tokens), least: 1000},
                {measure: 'cost_usd', value: if(named.calls is null, 0, named.nanousd / 1e9), least: 0.01}
            ] as measures
        from groups join calendar on on_day >= first_day left join named using (group_key, on_day)
    )
),
pasts as (
    select
        group_key,
        on_day,
        is_now,
        measured.measure as measure,
        measured.value as value,
        measured.least as least,
        list(measured.value) filter (where measured.value is not null) over before as past,
        median(measured.value) over before as habit,
        on_day = max(on_day) over () as is_last
    from measured
    window before as (partition by group_key, measured.measure order by on_day rows between 28 preceding and 1 preceding)
),
far as ( -- farther than the least that a deviation can be: few days are left
    select *, list_mad(past) as mad
    from pasts
    where
        is_now and value is not null and len(past) >= 7
        and abs(value - habit) > 3.5 * greatest(0.1 * habit, least)
        and (value > habit or (value < list_min(past) and not is_last))
),
spreads as (
    select
        *,
        greatest( -- where most days are equal the median deviation is 0: the mean one then stands for it
            if(mad > 0, 1.4826 * mad, 1.253314 * list_avg([abs(each - habit) for each in past])),
            0.1 * habit,
            least
        ) as spread
    from far
),
alarms as (
    select
        group_key,
        on_day,
        measure,
        value,
        habit,
        round(value / nullif(habit, 0), 2) as times_habit,
        round((value - habit) / spread, 1) as deviations
    from spreads
    where abs(value - habit) > 3.5 * spread
),
names as (
    select distinct columns(* exclude (on_day, calls, errors, tokens, nanousd)) from named
)
select names.* exclude (group_key), alarms.on_day as day, measure, value, habit, times_habit, deviations
from names join alarms using (group_key)
order by abs(deviations) desc, on_day desc, measure, group_key
limit getvariable('most')
