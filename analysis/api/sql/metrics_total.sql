-- What do the calls of a window come to that fit? {measures} are expressions of metrics.py, {condition} is one of filter_columns.py.
select {measures}
from requests
where started_at >= $since and started_at < $until and {condition}
