-- Which sessions fit? One page of them, the latest begun first. {gathered}: gathered_sessions.sql.
from ({gathered})
order by created_at desc, session_id
limit $limit offset $offset
