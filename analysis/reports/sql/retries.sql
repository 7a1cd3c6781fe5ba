-- What do retries and fallbacks cost, and which calls did they save, by model asked for or by what --by names?
-- `retried`: more than one call to a provider was made; `saved`: and the last one succeeded; `by_fallback`: another target gave
-- that answer. Providers do not bill failed attempts: they cost the time until the last of them failed, `failed_p50_ms`.
-- Out of summaries `p50_ms` is rounded by less than 1 %.
with tried as (
    select
        *,
        -- Rows of older versions do not say where attempts failed. The index of the first fallback of the config is 0 then, as is
        -- that of the header's first target, which is not a fallback.
        coalesce(failed_attempts->>'$[0].host' <> host, fallback_index >= 0, false) as is_moved,
        cast(failed_attempts->>'$[#-1].started_ms' as bigint)
            + cast(failed_attempts->>'$[#-1].duration_ms' as bigint) as failed_ms
    from calls_retried
),
groups as (
    select
        request_model, -- by
        hash(
            request_model -- by
        ) as group_key,
        count(*) as retried,
        count(*) filter (where error_type is null) as saved,
        count(*) filter (where is_moved and error_type is null) as by_fallback,
        count(*) filter (where error_type is not null) as failed,
        cast(sum(attempts - 1) as bigint) as extra_attempts,
        sum(cost_nanousd) / 1e9 as retried_cost_usd,
        sum(cost_nanousd) filter (where is_moved) / 1e9 as fallback_cost_usd,
        count(*) - count(cost_nanousd) as unpriced,
        cast(round(quantile_cont(failed_ms, 0.5)) as bigint) as failed_p50_ms,
        cast(round(quantile_cont(duration_ms, 0.5) filter (where error_type is null)) as bigint) as saved_p50_ms
    from tried
    group by all
),
everything as (
    select
        hash(
            request_model -- by
        ) as group_key,
        cast(sum(call_count) as bigint) as calls,
        cast(round(timed_percentiles(timed_ms, timed_place, timed_total)[1]) as bigint) as p50_ms
    from calls_first_timed
    group by all
)
select
    request_model, -- by
    calls,
    retried,
    saved,
    by_fallback,
    failed,
    extra_attempts,
    retried_cost_usd, -- plot
    fallback_cost_usd,
    unpriced,
    failed_p50_ms,
    p50_ms, -- of answers that a provider gave at the first attempt
    saved_p50_ms
from groups join everything using (group_key)
order by retried desc, calls desc, 1
limit getvariable('most')
