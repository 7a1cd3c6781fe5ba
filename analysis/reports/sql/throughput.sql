-- How many output tokens a second do answers have, and when does the first token come, by model and hour?
-- Of answers that a provider gave: no errors and no cache hits. `tokens_per_s` is all their tokens by all their time,
-- `stream_tokens_per_s` that of streams by their time after the first token.
with answers as (
    select
        *,
        error_type is null and coalesce(cache_status, 'miss') in ('miss', 'unavailable') as is_timed,
        is_timed and output_tokens is not null and duration_ms > 0 as has_speed,
        has_speed and duration_ms > time_to_first_token_ms as has_stream_speed
    from calls
),
groups as (
    select
        model, hour, -- by
        count(*) as calls,
        cast(sum(output_tokens) filter (where is_timed) as bigint) as output_tokens,
        sum(output_tokens) filter (where has_speed) * 1000 / sum(duration_ms) filter (where has_speed) as speed,
        sum(output_tokens) filter (where has_stream_speed) * 1000
            / sum(duration_ms - time_to_first_token_ms) filter (where has_stream_speed) as stream_speed,
        quantile_cont(time_to_first_token_ms, [0.5, 0.95]) filter (where is_timed) as first_tokens
    from answers
    group by all
)
select
    * exclude (speed, stream_speed, first_tokens),
    round(speed, 1) as tokens_per_s, -- plot
    round(stream_speed, 1) as stream_tokens_per_s,
    cast(round(first_tokens[1]) as bigint) as first_token_p50_ms,
    cast(round(first_tokens[2]) as bigint) as first_token_p95_ms
from groups
order by hour, calls desc, 1
limit getvariable('most')
