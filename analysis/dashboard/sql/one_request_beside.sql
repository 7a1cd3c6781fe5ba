-- Which calls that fit the filters began just before and just after this one?
select
    (
        select request_id
        from calls
        where epoch_us(started_at) > getvariable('started_us')
        order by started_at
        limit 1
    ) as newer,
    (
        select request_id
        from calls
        where epoch_us(started_at) < getvariable('started_us')
        order by started_at desc
        limit 1
    ) as older
