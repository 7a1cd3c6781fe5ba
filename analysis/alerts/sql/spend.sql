-- What did the calls of the window cost, in US dollars?
select
    count(*) as calls,
    sum(cost_nanousd) / 1e9 as value
from calls
