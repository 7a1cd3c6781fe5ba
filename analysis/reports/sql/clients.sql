-- Which client programs make the calls, and what does each cost?
-- A program is the first word of its user agent, without the version; `command` is its most frequent process on this machine.
with agents as ( -- there are few user agents: taken apart once each
    select
        client as agent,
        command,
        cast(sum(call_count) as bigint) as calls,
        cast(sum(error_count) as bigint) as errors,
        sum(input_tokens) as input_tokens,
        sum(output_tokens) as output_tokens,
        sum(cost_nanousd) as nanousd,
        cast(sum(unpriced_count) as bigint) as unpriced,
        max(last_started_at) as last_call_at
    from calls_summed
    group by all
)
select
    nullif(regexp_extract(agent, '^[^/\s(]+'), '') as client, -- key
    arg_max(command, (calls, command)) as command,
    count(distinct agent) as user_agents,
    cast(sum(calls) as bigint) as calls,
    cast(sum(errors) as bigint) as errors,
    cast(sum(input_tokens) as bigint) as input_tokens,
    cast(sum(output_tokens) as bigint) as output_tokens,
    sum(nanousd) / 1e9 as cost_usd,
    cast(sum(unpriced) as bigint) as unpriced,
    max(last_call_at) as last_call_at
from agents
group by 1
order by cost_usd desc nulls last, calls desc, 1
limit getvariable('most')
