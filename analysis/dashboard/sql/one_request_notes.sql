-- What was said of one call after it ended?
select
    (select rating from feedback where request_id = getvariable('id')) as rating,
    (
        select list({name: name, value: value} order by name)
        from scores
        where request_id = getvariable('id') and name <> 'helicone-score-feedback'
    ) as scores
