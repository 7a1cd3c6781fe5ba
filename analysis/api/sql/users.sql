-- What does each user come to? The 100 with most calls; cost in USD, NULL where no call has a price.
-- {users} picks users by id or takes all.
select
    user_id,
    count(*) as count,
    cast(sum(input_tokens) as bigint) as prompt_tokens,
    cast(sum(output_tokens) as bigint) as completion_tokens,
    sum(cost_nanousd) / 1e9 as cost
from requests
where user_id is not null and started_at >= $since and started_at < $until and {users}
group by user_id
order by count desc, user_id
limit 100
