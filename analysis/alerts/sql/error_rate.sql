-- Which share of the calls of the window failed?
select
    count(*) as calls,
    count(error_type) / count(*) as value
from calls
