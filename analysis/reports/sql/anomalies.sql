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
        "user", -- by
        hash(
            true, -- the hash of 0 alone is 0, which stands for all calls
            "user" -- by
        ) as group_key,
        on_day, calls, errors, tokens, nanousd
    from daily
    where concat_ws(
        '',
        "user" -- by
    ) <> '' -- those are in all calls
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
kinds as (
    select *
    from (
        values ('calls', 1e0), ('errors', 1e0), ('tokens', 1e3), ('cost_usd', 1e-2) -- a deviation that is too small to speak of
    ) as kinds (measure, least)
),
measured as ( -- a day without calls has 0 of all
    select
        groups.group_key,
        calendar.on_day,
        calendar.is_now,
        cast(coalesce(named.calls, 0) as double) as calls,
        cast(coalesce(named.errors, 0) as double) as errors,
        cast(case when named.calls is null then 0 else named.tokens end as double) as tokens,
        cast(case when named.calls is null then 0 else named.nanousd / 1e9 end as double) as cost_usd
    from groups
    join calendar on calendar.on_day >= groups.first_day
    left join named on named.group_key = groups.group_key and named.on_day = calendar.on_day
),
pasts as (
    select
        *,
        median(calls) over before as usual_calls,
        median(errors) over before as usual_errors,
        median(tokens) over before as usual_tokens,
        median(cost_usd) over before as usual_cost_usd,
        min(calls) over before as lowest_calls,
        min(errors) over before as lowest_errors,
        min(tokens) over before as lowest_tokens,
        min(cost_usd) over before as lowest_cost_usd,
        list(calls) over before as past_calls,
        list(errors) over before as past_errors,
        list(tokens) filter (where tokens is not null) over before as past_tokens,
        list(cost_usd) filter (where cost_usd is not null) over before as past_cost_usd,
        on_day = max(on_day) over () as is_last
    from measured
    window before as (partition by group_key order by on_day rows between 28 preceding and 1 preceding)
),
by_measure as (
    select
        *,
        case measure when 'calls' then calls when 'errors' then errors when 'tokens' then tokens else cost_usd end as value,
        case measure
            when 'calls' then usual_calls
            when 'errors' then usual_errors
            when 'tokens' then usual_tokens
            else usual_cost_usd
        end as habit,
        case measure
            when 'calls' then lowest_calls
            when 'errors' then lowest_errors
            when 'tokens' then lowest_tokens
            else lowest_cost_usd
        end as lowest
    from pasts cross join kinds
    where is_now
),
farther as ( -- than the least that a deviation can be: lists are looked at for few days
    select
        group_key,
        on_day,
        is_last,
        measure,
        least,
        value,
        habit,
        case measure
            when 'calls' then past_calls
            when 'errors' then past_errors
            when 'tokens' then past_tokens
            else past_cost_usd
        end as past
    from by_measure
    where
        abs(value - habit) > 3.5 * greatest(0.1 * habit, least)
        and (value > habit or (value < lowest and not is_last))
),
far as (
    select *, list_mad(past) as mad
    from farther
    where array_length(past) >= 7
),
spreads as (
    select
        *,
        greatest( -- where most days are equal the median deviation is 0: the mean one then stands for it
            if(mad > 0, 1.4826 * mad, 1.253314 * list_avg(list_transform(past, lambda each: abs(each - habit)))),
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
    select distinct
        "user", -- by
        group_key
    from named
)
select
    "user", -- by
    alarms.on_day as day,
    measure,
    value,
    habit,
    times_habit,
    deviations
from names join alarms using (group_key)
order by abs(deviations) desc, on_day desc, measure, group_key <> 0, 1
limit getvariable('most')
