-- What is known of these calls?
select * exclude (properties, usage_raw, usage_units, price_factors)
from calls
