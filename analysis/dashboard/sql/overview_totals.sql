-- What did the calls come to? One row: calls, errors, tokens, cost, times, users, ratings.
select
    count(*) as calls,
    count(error_type) as errors,
    sum(cost_nanousd) / 1e9 as cost_usd,
    count(*) - count(cost_nanousd) as unpriced,
    cast(sum(input_tokens) as bigint) as input_tokens,
    cast(sum(output_tokens) as bigint) as output_tokens,
    cast(sum(cache_read_input_tokens) as bigint) as cache_read_input_tokens,
    sum(saved_nanousd) / 1e9 as saved_usd,
    count(*) filter (where cache_status in ('hit', 'coalesced')) as hits,
    approx_quantile(duration_ms, [0.5, 0.95]) as latency_ms,
    approx_quantile(time_to_first_token_ms, 0.5) as first_token_ms,
    count(distinct user_id) as users,
    ( -- one scan of the calls for both
        select {'rated': count(*), 'good': count(*) filter (where rating)}
        from feedback
        where request_id in (select request_id from calls)
    ) as ratings
from calls
