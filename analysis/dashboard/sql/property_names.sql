-- Which properties do the calls have, the most frequent first?
select name, cast(sum(call_count) as bigint) as calls
from (select unnest(map_keys(properties)) as name, call_count from calls_summed)
where contains(name, getvariable('typed'))
group by all
order by calls desc, name
limit getvariable('most')
