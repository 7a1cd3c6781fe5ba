-- What do retries and fallbacks cost, and which calls did they save, by model asked for or by what --by names?
-- `retried`: more than one call to a provider was made; `saved`: and the last one succeeded; `by_fallback`: another target gave
-- that answer. Providers do not bill failed attempts: they cost the time until the last of them failed, `failed_p50_ms`.
with tried as (
    select
        *,
        coalesce(attempts > 1, false) as is_retried,
        -- Rows of older versions do not say where attempts failed. The index of the first fallback of the config is 0 then, as is
        -- that of the header's first target, which is not a fallback.
        coalesce(attempts > 1 and coalesce(failed_attempts->>'$[0].host' <> host, fallback_index >= 0), false) as is_moved,
        cast(failed_attempts->>'$[#-1].started_ms' as bigint)
            + cast(failed_attempts->>'$[#-1].duration_ms' as bigint) as failed_ms
    from calls
),
groups as (
    select
        request_model, -- by
        count(*) as calls,
        count(*) filter (where is_retried) as retried,
        count(*) filter (where is_retried and error_type is null) as saved,
        count(*) filter (where is_moved and error_type is null) as by_fallback,
        count(*) filter (where is_retried and error_type is not null) as failed,
        cast(coalesce(sum(attempts - 1) filter (where is_retried), 0) as bigint) as extra_attempts,
        sum(cost_nanousd) filter (where is_retried) / 1e9 as retried_cost_usd, -- plot
        sum(cost_nanousd) filter (where is_moved) / 1e9 as fallback_cost_usd,
        count(*) filter (where is_retried and cost_nanousd is null) as unpriced,
        quantile_cont(failed_ms, 0.5) as failed_p50,
        quantile_cont(duration_ms, 0.5) filter (where attempts = 1 and error_type is null) as p50,
        quantile_cont(duration_ms, 0.5) filter (where is_retried and error_type is null) as saved_p50
    from tried
    group by all
)
select
    * exclude (failed_p50, p50, saved_p50),
    cast(round(failed_p50) as bigint) as failed_p50_ms,
    cast(round(p50) as bigint) as p50_ms, -- of calls that the first attempt answered
    cast(round(saved_p50) as bigint) as saved_p50_ms
from groups
where retried > 0
order by retried desc, calls desc, 1
limit getvariable('most')
