-- What does each user that fits come to? A day is one of the caller's: $minutes is what UTC is ahead of it.
-- {calls} and {groups} are conditions out of filter_columns.py; a user counts with the calls that fit.
select
    *,
    total_requests / active_for as average_requests_per_day_active,
    coalesce(total_prompt_tokens + total_completion_tokens, total_prompt_tokens, total_completion_tokens)
    / total_requests as average_tokens_per_request
from (
    select
        user_id,
        count(distinct date_trunc('day', started_at - to_minutes($minutes))) as active_for,
        min(started_at) as first_active,
        max(started_at) as last_active,
        count(*) as total_requests,
        cast(sum(input_tokens) as bigint) as total_prompt_tokens,
        cast(sum(output_tokens) as bigint) as total_completion_tokens,
        sum(cost_nanousd) / 1e9 as cost
    from requests
    where user_id is not null and started_at >= $since and started_at < $until and {calls}
    group by user_id
)
where {groups}
