-- How many output tokens a second do answers have, and when does the first token come, by model and hour?
-- Of answers that a provider gave: no errors and no cache hits. `tokens_per_s` is over the whole answer, `stream_tokens_per_s`
-- over what follows the first token of a stream. p5: 95 of 100 answers are faster.
with answers as (
    select
        *,
        error_type is null and coalesce(cache_status, 'miss') in ('miss', 'unavailable') as is_timed,
        output_tokens * 1000 / nullif(duration_ms, 0) as tokens_per_s,
        output_tokens * 1000 / nullif(duration_ms - time_to_first_token_ms, 0) as stream_tokens_per_s
    from calls
),
groups as (
    select
        model, hour, -- by
        count(*) as calls,
        cast(sum(output_tokens) filter (where is_timed) as bigint) as output_tokens,
        -- all percentiles of a column at once: half the time
        quantile_cont(tokens_per_s, [0.5, 0.05]) filter (where is_timed) as speeds,
        quantile_cont(stream_tokens_per_s, 0.5) filter (where is_timed) as stream_speed,
        quantile_cont(time_to_first_token_ms, [0.5, 0.95]) filter (where is_timed) as first_tokens
    from answers
    group by all
)
select
    * exclude (speeds, stream_speed, first_tokens),
    round(speeds[1], 1) as p50_tokens_per_s,
    round(speeds[2], 1) as p5_tokens_per_s,
    round(stream_speed, 1) as p50_stream_tokens_per_s,
    cast(round(first_tokens[1]) as bigint) as first_token_p50_ms,
    cast(round(first_tokens[2]) as bigint) as first_token_p95_ms
from groups
order by hour, calls desc, 1
limit getvariable('most')
