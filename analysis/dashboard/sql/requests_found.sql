-- Where in a prompt or an answer is the word? A few words around it, for some calls.
with said as (
    select request_id, unnest([response_text, request_body, response_body]) as text
    from bodies
    where
        date between cast(getvariable('since') as date) and cast(getvariable('until') as date)
        and list_contains(getvariable('ids'), request_id)
)
select
    request_id,
    any_value(substr(text, greatest(1, strpos(lower(text), getvariable('word')) - 60), 180)) as excerpt
from said
where contains(lower(text), getvariable('word'))
group by request_id
