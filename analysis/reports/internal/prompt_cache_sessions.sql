-- Which sessions have the most input that was not read from a provider's cache?
select *
from (
    select
        session_id,
        cast(sum(prompt_count) as bigint) as calls,
        cast(sum(prompt_tokens) as bigint) as input_tokens,
        cast(sum(prompt_read_tokens) as bigint) as cache_read_input_tokens, -- NULL if the provider never says
        min(date) as first_date,
        max(date) as last_date
    from calls_by_session
    where session_id is not null and prompt_count > 0
    group by session_id
    having sum(prompt_tokens) > 0
)
order by input_tokens - coalesce(cache_read_input_tokens, 0) desc, session_id
limit getvariable('most')
