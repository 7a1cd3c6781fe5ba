-- Which values does a filter have in this window, the most frequent first?
select value, count(*) as calls
from (
    select
        model as value -- by
    from calls
)
where value is not null and contains(lower(cast(value as varchar)), getvariable('typed'))
group by all
order by calls desc, value
limit getvariable('most')
