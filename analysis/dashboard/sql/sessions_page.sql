-- What did each session come to, with its calls that fit the filters? Sorted by one number of `sort`, the largest first.
with grouped as (
    select
        session_id,
        arg_max(session_name, started_at) as session_name,
        list(distinct user_id order by user_id) filter (where user_id is not null) as users,
        min(started_at) as first_call_at,
        max(started_at) as last_call_at,
        count(*) as calls,
        count(error_type) as errors,
        cast(sum(input_tokens) as bigint) as input_tokens,
        cast(sum(output_tokens) as bigint) as output_tokens,
        sum(cost_nanousd) / 1e9 as cost_usd,
        count(*) - count(cost_nanousd) as unpriced,
        max(epoch_ms(started_at) + coalesce(duration_ms, 0)) - min(epoch_ms(started_at)) as duration_ms
    from calls
    where session_id is not null
    group by session_id
)
select *, count(*) over () as sessions
from grouped
order by
    case getvariable('sort')
        when 'calls' then calls
        when 'errors' then errors
        when 'input_tokens' then input_tokens
        when 'output_tokens' then output_tokens
        when 'cost_usd' then cost_usd
        when 'duration_ms' then duration_ms
        else epoch_ms(last_call_at)
    end desc nulls last,
    session_id
limit getvariable('most')
offset getvariable('skipped')
