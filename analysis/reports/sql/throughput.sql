-- How many output tokens a second do answers have, and when does the first token come, by model and hour?
-- Of answers that a provider gave: no errors and no cache hits. `tokens_per_s` is all their tokens by all their time,
-- `stream_tokens_per_s` that of streams by their time after the first token. Times to the first token are rounded by less than 1 %
-- out of summaries; by the hour they are exact.
with shown as materialized (
    select
        model, hour, -- by
        row(
            true, -- else a row of one column is not a row
            model, hour -- by
        ) as group_key,
        cast(sum(call_count) as bigint) as calls,
        cast(sum(timed_output_tokens) as bigint) as output_tokens,
        sum(speed_tokens) * 1000 / sum(speed_ms) as speed,
        sum(stream_tokens) * 1000 / sum(stream_ms) as stream_speed,
        min(timed_date) as first_date,
        max(timed_date) as last_date
    from calls_timed
    where call_count > 0 -- no times: of summaries these are rows of their own
    group by all
    order by hour desc, calls desc, 1
    limit getvariable('most')
),
percentiles as ( -- of the groups and days that are shown: by the hour there are tens of thousands
    select
        row(
            true,
            model, hour -- by
        ) as group_key,
        timed_percentiles(timed_first_token_ms, timed_place, timed_total) as first_tokens
    from calls_timed
    where
        timed_first_token_ms is not null
        and timed_date between (select min(first_date) from shown) and (select max(last_date) from shown)
        and row(
            true,
            model, hour -- by
        ) in (select group_key from shown)
    group by all
)
select
    * exclude (group_key, speed, stream_speed, first_date, last_date, first_tokens),
    round(speed, 1) as tokens_per_s, -- plot
    round(stream_speed, 1) as stream_tokens_per_s,
    cast(round(first_tokens[1]) as bigint) as first_token_p50_ms,
    cast(round(first_tokens[2]) as bigint) as first_token_p95_ms
from shown left join percentiles using (group_key)
order by hour desc, calls desc, 1
limit getvariable('most')
