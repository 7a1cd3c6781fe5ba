-- Which properties do the calls have, the most frequent first?
select name, count(*) as calls
from (select unnest(map_keys(properties)) as name from calls)
where contains(name, getvariable('typed'))
group by all
order by calls desc, name
limit getvariable('most')
