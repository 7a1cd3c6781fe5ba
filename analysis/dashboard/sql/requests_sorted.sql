-- Which calls have the most of what they are sorted by? Those after one call, if its value, time and id are given.
with valued as (
    select
        request_id,
        started_at,
        cost_usd as sorted -- by
    from calls
)
select *
from valued
where
    getvariable('after_at') is null
    or sorted < getvariable('after_value')
    or (sorted is null and getvariable('after_value') is not null)
    or (
        sorted is not distinct from getvariable('after_value')
        and (started_at, request_id) < (cast(getvariable('after_at') as timestamptz), getvariable('after_id'))
    )
order by sorted desc nulls last, started_at desc, request_id desc
limit getvariable('most')
