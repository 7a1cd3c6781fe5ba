-- What was spent, by model and user, and against the period before?
-- One row for all calls, then the first models and users. Columns `before_...` are those of the period before. `of` says
-- how many models or users there are.
-- since: this-month
-- limit: 10
with both_periods as ( -- by both at first: three groupings of all rows take longer
    select
        model,
        user_id,
        is_now,
        sum(call_count) as call_count,
        sum(error_count) as error_count,
        sum(unpriced_count) as unpriced_count,
        sum(input_tokens) as input_tokens,
        sum(output_tokens) as output_tokens,
        sum(cost_nanousd) as cost_nanousd
    from (
        select *, true as is_now from calls_summed
        union all by name
        select *, false as is_now from calls_summed_before
    )
    group by model, user_id, is_now
),
grouped as (
    select
        case grouping(model, user_id) when 3 then 'total' when 1 then 'model' else 'user' end as part,
        coalesce(model, user_id) as name,
        cast(coalesce(sum(call_count) filter (is_now), 0) as bigint) as calls,
        cast(coalesce(sum(error_count) filter (is_now), 0) as bigint) as errors,
        cast(sum(input_tokens) filter (is_now) as bigint) as input_tokens,
        cast(sum(output_tokens) filter (is_now) as bigint) as output_tokens,
        sum(cost_nanousd) filter (is_now) / 1e9 as cost_usd,
        cast(coalesce(sum(unpriced_count) filter (is_now), 0) as bigint) as unpriced,
        cast(coalesce(sum(call_count) filter (not is_now), 0) as bigint) as before_calls,
        cast(coalesce(sum(error_count) filter (not is_now), 0) as bigint) as before_errors,
        cast(sum(input_tokens) filter (not is_now) as bigint) as before_input_tokens,
        cast(sum(output_tokens) filter (not is_now) as bigint) as before_output_tokens,
        sum(cost_nanousd) filter (not is_now) / 1e9 as before_cost_usd,
        cast(coalesce(sum(unpriced_count) filter (not is_now), 0) as bigint) as before_unpriced
    from both_periods
    group by grouping sets ((), (model), (user_id))
)
select
    *,
    count(*) over (partition by part) as "of"
from grouped
qualify row_number() over (partition by part order by cost_usd desc nulls last, calls desc, before_cost_usd desc nulls last, name) <= getvariable('most')
order by
    list_position(['total', 'model', 'user'], part),
    cost_usd desc nulls last,
    calls desc,
    before_cost_usd desc nulls last,
    name
