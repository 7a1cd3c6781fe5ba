-- What did the calls come to? One row: calls, errors, tokens, cost, users, ratings.
select
    cast(coalesce(sum(call_count), 0) as bigint) as calls,
    cast(coalesce(sum(error_count), 0) as bigint) as errors,
    sum(cost_nanousd) / 1e9 as cost_usd,
    cast(coalesce(sum(unpriced_count), 0) as bigint) as unpriced,
    cast(sum(input_tokens) as bigint) as input_tokens,
    cast(sum(output_tokens) as bigint) as output_tokens,
    cast(sum(cache_read_input_tokens) as bigint) as cache_read_input_tokens,
    sum(saved_nanousd) / 1e9 as saved_usd,
    cast(coalesce(sum(call_count) filter (where cache_status in ('hit', 'coalesced')), 0) as bigint) as hits,
    count(distinct user_id) as users,
    ( -- one scan of the calls for both
        select {'rated': count(*), 'good': count(*) filter (where rating)}
        from feedback
        where request_id in (select request_id from calls)
    ) as ratings
from calls_summed
