-- What did the calls cost, by day or by what --by names?
-- by: day
-- {dimensions} are expressions of an allow-list (analysis/reports/report.py); $since is inclusive, $until is not; both UTC.
select
    {dimensions},
    count(*) as calls,
    count(error_type) as errors,
    cast(sum(input_tokens) as bigint) as input_tokens,
    cast(sum(cache_read_input_tokens) as bigint) as cache_read_input_tokens,
    cast(sum(output_tokens) as bigint) as output_tokens,
    sum(cost_nanousd) / 1e9 as cost_usd, -- NULL if no call of the group has a price
    count(*) - count(cost_nanousd) as unpriced
from requests
where started_at >= $since and started_at < $until
group by all
order by {times_first} cost_usd desc nulls last, calls desc, 1
limit $limit
