-- What columns do the views have, in their order?
select table_name as view, column_name as name, data_type as type
from duckdb_columns()
where table_name in (select unnest(cast($views as varchar[])))
order by table_name, column_index
