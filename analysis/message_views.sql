-- Which bodies belong to which call, and what do their readers need to know of it?
-- DuckDB keeps one side of a join in memory, the one of which it expects fewer rows. Let that be the calls, not the bodies: so
-- there is a condition on calls that all of them fit, and none of the conditions of a question passes to the bodies, of
-- which it reads those between the calls' first and last id and day.
create or replace temp view kept_calls as
select calls.*, request_body, response_body
from (
    select
        request_id, started_at, date, session_id, user_id, provider_name,
        coalesce(response_model, request_model) as model,
        to_json({
            provider_name: provider_name, operation_name: operation_name, method: method, host: host, path: path,
            status: status
        }) as facts
    from requests
    where operation_name <> ''
) as calls
inner join bodies on
    bodies.request_id = calls.request_id
    and bodies.date = cast(calls.started_at as date)
    and epoch_us(bodies.started_at) = epoch_us(calls.started_at);

-- What was said in each call? One row a call that has a conversation.
create or replace view conversations as
select
    request_id, started_at, date, session_id, user_id, provider_name, model,
    said -> '$.system_instructions' as system_instructions,
    said -> '$.input_messages' as input_messages,
    said -> '$.output_messages' as output_messages,
    said -> '$.tool_definitions' as tool_definitions,
    cast(said -> '$.mcp_servers' as varchar[]) as mcp_servers
from (
    select
        * exclude (facts, request_body, response_body),
        -- A list of one or none: a condition on the text itself would have each body read twice.
        unnest(heliograph_conversation(facts, request_body, response_body)) as said
    from kept_calls
);

-- Which parts do the messages of each call have? One row a part.
create or replace view messages as
select
    request_id, started_at, date, session_id, user_id, provider_name, model,
    said ->> '$.direction' as direction,
    cast(said -> '$.message' as integer) as message,
    said ->> '$.role' as role,
    cast(said -> '$.part' as integer) as part,
    said ->> '$.json.type' as type,
    case when said ->> '$.json.type' = 'blob' then said ->> '$.json.transcript' else said ->> '$.json.content' end as content,
    said ->> '$.tool_call_id' as tool_call_id,
    said ->> '$.tool_name' as tool_name,
    coalesce(said ->> '$.json.arguments', said ->> '$.json.server_tool_call.arguments') as arguments,
    coalesce(said ->> '$.json.response', said ->> '$.json.server_tool_call_response.result') as result,
    coalesce(said ->> '$.json.server_tool_call.server', said ->> '$.json.server_tool_call_response.server') as mcp_server,
    said ->> '$.finish_reason' as finish_reason,
    said -> '$.json' as json
from (
    select
        * exclude (facts, request_body, response_body),
        unnest(heliograph_parts(facts, request_body, response_body)) as said
    from kept_calls
);
