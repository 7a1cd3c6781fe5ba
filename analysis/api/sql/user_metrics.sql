-- Which users fit? One page of them, sorted by {order} of users.py. {gathered}: gathered_users.sql.
select *
from ({gathered})
order by {order}
limit $limit offset $offset
