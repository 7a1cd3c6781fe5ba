-- How many calls fit, and what did they cost?
select count(*) as calls, count(error_type) as errors, sum(cost_nanousd) / 1e9 as cost_usd, count(*) - count(cost_nanousd) as unpriced
from calls
