-- Which sessions have the most input that was not read from a provider's cache?
select *
from (
    select
        session_id,
        cast(sum(call_count) as bigint) as calls,
        cast(sum(input_tokens) as bigint) as input_tokens,
        cast(sum(cache_read_input_tokens) as bigint) as cache_read_input_tokens, -- NULL if the provider never says
        min(date) as first_date,
        max(date) as last_date
    from calls_summed
    where session_id is not null and input_tokens is not null and coalesce(cache_status, 'miss') in ('miss', 'unavailable')
    group by session_id
    having sum(input_tokens) > 0
)
order by input_tokens - coalesce(cache_read_input_tokens, 0) desc, session_id
limit getvariable('most')
