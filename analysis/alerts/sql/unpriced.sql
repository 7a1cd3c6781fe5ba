-- How many calls of the window have no price?
select
    count(*) as calls,
    count(*) - count(cost_nanousd) as value
from calls
