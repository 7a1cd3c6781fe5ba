-- How many users fit, and is there any user at all? {gathered}: gathered_users.sql.
select
    (select count(*) from ({gathered})) as users,
    exists (select 1 from requests where user_id is not null) as has_users
