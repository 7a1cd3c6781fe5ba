-- What changed in the costs since the period before, by model or by what --by names, and by what?
-- `change_usd` is cost_usd less before_cost_usd, and the sum of the three after it: of more or fewer calls (at the tokens and the
-- price before), of tokens a call (at the price before), of the price of a token (or of a call, where no tokens are known: then
-- `by_tokens_usd` is NULL). Calls without a price are in neither cost; `unpriced` and `before_unpriced` count them.
-- since: 7d
with periods as (
    select *, true as is_now from calls_summed
    union all by name
    select *, false as is_now from calls_summed_before
),
groups as (
    select
        model, -- by
        cast(coalesce(sum(call_count) filter (where is_now), 0) as bigint) as calls,
        cast(coalesce(sum(call_count) filter (where not is_now), 0) as bigint) as before_calls,
        cast(coalesce(sum(call_count - unpriced_count) filter (where is_now), 0) as bigint) as n1,
        cast(coalesce(sum(call_count - unpriced_count) filter (where not is_now), 0) as bigint) as n0,
        sum(cost_nanousd) filter (where is_now) as known1,
        sum(cost_nanousd) filter (where not is_now) as known0,
        sum(coalesce(input_tokens + output_tokens, input_tokens, output_tokens)) filter (where is_now and cost_nanousd is not null) as t1,
        sum(coalesce(input_tokens + output_tokens, input_tokens, output_tokens)) filter (where not is_now and cost_nanousd is not null) as t0
    from periods
    group by all
),
costs as (
    select
        *,
        case when calls = 0 then 0 else known1 end as c1, -- NULL: there were calls, and no price of them is known
        case when before_calls = 0 then 0 else known0 end as c0,
        n0 > 0 and n1 > 0 and t0 > 0 and t1 > 0 as has_tokens
    from groups
),
parts as ( -- in whole nano-USD; the last part is the rest, so that they add up exactly
    select
        *,
        c1 - c0 as change,
        case when n0 > 0 and n1 > 0 then cast(round((n1 - n0) * (c0 / n0)) as bigint) else c1 - c0 end as of_calls,
        case when has_tokens then cast(round((t1 - n1 * (t0 / n0)) * (c0 / t0)) as bigint) end as of_tokens
    from costs
)
select
    * exclude (n1, n0, known1, known0, t1, t0, c1, c0, has_tokens, change, of_calls, of_tokens),
    c1 / 1e9 as cost_usd,
    c0 / 1e9 as before_cost_usd,
    change / 1e9 as change_usd, -- plot
    case when change is not null then of_calls / 1e9 end as by_calls_usd,
    case when change is not null then of_tokens / 1e9 end as by_tokens_usd,
    (change - of_calls - coalesce(of_tokens, 0)) / 1e9 as by_price_usd,
    round(t1 / nullif(n1, 0), 1) as tokens_per_call,
    round(t0 / nullif(n0, 0), 1) as before_tokens_per_call,
    c1 / 1e3 / nullif(t1, 0) as usd_per_million_tokens,
    c0 / 1e3 / nullif(t0, 0) as before_usd_per_million_tokens,
    calls - n1 as unpriced,
    before_calls - n0 as before_unpriced
from parts
order by abs(change) desc nulls last, calls desc, 1
limit getvariable('most')
