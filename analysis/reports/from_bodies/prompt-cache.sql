-- How much of each session's input was read from the provider's prompt cache, and what broke that?
-- Of the sessions with the most input that was not read (`prompt_cache_sessions`, made by analysis/reports/prompt_cache.py of the views
-- `calls_by_session` and `calls`).
-- `changed`: turns whose beginning is not that of the turn before; `missed`: turns whose beginning is, and was not read. The first
-- change: the turn, the block, and what it was before and is now.
-- limit: 20
select
    session_id,
    calls,
    input_tokens,
    cache_read_input_tokens,
    round(cache_read_input_tokens / input_tokens, 4) as read_share,
    changed,
    lost_tokens,
    lost_usd,
    missed,
    missed_usd,
    turn,
    changed_at,
    before,
    now,
    request_id
from prompt_cache_sessions
order by input_tokens - coalesce(cache_read_input_tokens, 0) desc, session_id
limit getvariable('most')
