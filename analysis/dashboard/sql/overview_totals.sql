-- What did the calls come to, and those of the period before? One row for each: calls, errors, tokens, cost, times.
with periods as (
    select 'now' as period, calls.* exclude (properties), rating
    from calls left join feedback using (request_id)
    union all
    select 'before' as period, calls_before.* exclude (properties), rating
    from calls_before left join feedback using (request_id)
)
select
    period,
    count(*) as calls,
    count(error_type) as errors,
    sum(cost_nanousd) / 1e9 as cost_usd,
    count(*) - count(cost_nanousd) as unpriced,
    cast(sum(input_tokens) as bigint) as input_tokens,
    cast(sum(output_tokens) as bigint) as output_tokens,
    cast(sum(cache_read_input_tokens) as bigint) as cache_read_input_tokens,
    sum(saved_nanousd) / 1e9 as saved_usd,
    count(*) filter (where cache_status in ('hit', 'coalesced')) as hits,
    approx_quantile(duration_ms, 0.5) as p50_ms,
    approx_quantile(duration_ms, 0.95) as p95_ms,
    approx_quantile(time_to_first_token_ms, 0.5) as first_token_ms,
    count(rating) as rated,
    count(*) filter (where rating) as good,
    count(distinct user_id) as users,
    count(distinct session_id) as sessions
from periods
group by period
