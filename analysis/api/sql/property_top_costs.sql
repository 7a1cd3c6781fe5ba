-- Which values of a property cost most? The ten dearest in USD, and what all the others come to; values without a price stay out.
with priced as (
    select properties[$key] as value, sum(cost_nanousd) as cost_nanousd
    from requests
    where started_at >= $since and started_at < $until and properties[$key] is not null
    group by 1
    having sum(cost_nanousd) is not null
),
ranked as (
    select value, cost_nanousd, row_number() over (order by cost_nanousd desc, value) as place from priced
)
select case when place <= 10 then value else 'Other' end as value, sum(cost_nanousd) / 1e9 as cost
from ranked
group by place > 10, 1
having place <= 10 or sum(cost_nanousd) > 0
order by place > 10, cost desc, value
