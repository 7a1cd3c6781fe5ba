-- Which properties were ever set?
-- Calls share few sets of properties, so each set is taken apart once.
select distinct unnest(map_keys(properties)) as property
from (
    select any_value(properties) as properties
    from requests
    group by hash(properties)
)
order by property
