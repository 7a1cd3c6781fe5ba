-- Which tools do models call, and what do the calls to models cost that ask for them?
-- Of the newest 2,000 calls with an answer (`tool_uses`, made by analysis/reports/tools.py). The cost of an answer that calls several
-- tools is divided evenly among them. A result is counted once, in the next call that sends it; programs send it again each turn.
select
    tool_name,
    any_value(mcp_server) as mcp_server,
    count(*) as tool_calls,
    count(distinct request_id) as calls,
    count(distinct session_id) as sessions,
    sum(cost_nanousd * share) / 1e9 as cost_usd,
    count(*) - count(cost_nanousd) as unpriced,
    cast(sum(arguments_chars) as bigint) as arguments_chars,
    cast(sum(result_chars) as bigint) as result_chars, -- NULL: no result was seen
    cast(max(result_chars) as bigint) as longest_result_chars,
    max(started_at) as last_call_at
from tool_uses join calls using (request_id, started_at)
group by tool_name
order by cost_usd desc nulls last, tool_calls desc, tool_name
limit getvariable('most')
