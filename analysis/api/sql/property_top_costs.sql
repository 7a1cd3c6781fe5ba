-- Which values of a property cost most? The ten dearest in USD, and what all the others come to; values without a price stay out.
with priced as (
    select properties[$key] as value, sum(cost_nanousd) as cost_nanousd
    from requests
    where started_at >= $since and started_at < $until and properties[$key] is not null
    group by 1
    having sum(cost_nanousd) is not null
),
ranked as (
    select value, cost_nanousd, row_number() over (order by cost_nanousd desc, value) > 10 as is_other from priced
)
select if(is_other, 'Other', value) as value, sum(cost_nanousd) / 1e9 as cost
from ranked
group by is_other, if(is_other, 'Other', value)
having not is_other or sum(cost_nanousd) > 0
order by is_other, cost desc, value
