-- What did the provider bill, and what was measured here?
--
-- Tables: `bill` has the lines of the exports, `our_names` a model's name on both sides, `our_labels` the bill's key and
-- project of each of our keys. A call that never left the proxy (a cache hit, a refusal) is not billed; one paid by a plan
-- is on no bill of tokens.
with both_sides as (
    select
        day,
        model,
        key,
        project,
        1 as billed_lines,
        requests as billed_requests,
        input_tokens as billed_input_tokens,
        cache_read_input_tokens as billed_cache_read_input_tokens,
        cache_creation_input_tokens as billed_cache_creation_input_tokens,
        cache_creation_1h_input_tokens as billed_cache_creation_1h_input_tokens,
        output_tokens as billed_output_tokens,
        cost_usd as billed_usd,
        rounding_usd,
        credit_usd,
        tier as billed_tier,
        not is_final as not_final,
        response_id is not null and response_id not in (
            select response_id from calls where response_id is not null
        ) as unknown_id
    from bill

    union all by name

    select
        calls.day,
        our_names.name as model,
        our_labels.key,
        case
            when own_project in (select project from bill) then own_project else our_labels.project
        end as project,
        went_out as calls,
        not went_out and cache_status in ('hit', 'coalesced') as cached,
        list_cost_nanousd is not null as by_plan,
        went_out and cost_nanousd is null as unpriced,
        cost_missing,
        went_out and error_type is null and input_tokens is null and output_tokens is null as without_usage,
        usage_source = 'estimated' as estimated,
        went_out and error_type is not null as failed,
        greatest(attempts - 1, 0) as earlier_attempts,
        cost_source like 'override %' as own_price,
        price_factors['service_tier'] as tier,
        case when list_cost_nanousd is null then calls.input_tokens end as input_tokens,
        case when list_cost_nanousd is null then calls.cache_read_input_tokens end as cache_read_input_tokens,
        case when list_cost_nanousd is null then calls.cache_creation_input_tokens end as cache_creation_input_tokens,
        case
            when list_cost_nanousd is null then calls.cache_creation_1h_input_tokens
        end as cache_creation_1h_input_tokens,
        case when list_cost_nanousd is null then calls.output_tokens end as output_tokens,
        cost_nanousd
    from (
        select
            *,
            attempts > 0 and list_cost_nanousd is null as went_out,
            coalesce(nullif(regexp_extract(path, '/projects/([^/]+)/', 1), ''), properties['project']) as own_project
        from calls
    ) as calls
    left join our_names on our_names.model is not distinct from calls.model
    left join our_labels on our_labels.api_key_hash is not distinct from calls.api_key_hash
)

select
    day, model, -- by
    count(billed_lines) as billed_lines,
    sum(billed_requests) as billed_requests,
    sum(billed_input_tokens) as billed_input_tokens,
    sum(billed_cache_read_input_tokens) as billed_cache_read_input_tokens,
    sum(billed_cache_creation_input_tokens) as billed_cache_creation_input_tokens,
    sum(billed_cache_creation_1h_input_tokens) as billed_cache_creation_1h_input_tokens,
    sum(billed_output_tokens) as billed_output_tokens,
    sum(billed_usd) as billed_usd,
    coalesce(sum(rounding_usd), 0) as rounding_usd,
    sum(credit_usd) as credit_usd,
    list_sort(list_distinct(list(billed_tier))) as billed_tiers,
    count_if(not_final) as not_final,
    count_if(unknown_id) as unknown_ids,
    count_if(calls) as calls,
    count_if(cached) as cached,
    count_if(by_plan) as by_plan,
    count_if(unpriced) as unpriced,
    mode(cost_missing) filter (unpriced) as why_unpriced,
    count_if(without_usage) as without_usage,
    count_if(estimated) as estimated,
    count_if(failed) as failed,
    coalesce(sum(earlier_attempts), 0) as earlier_attempts,
    count_if(own_price) as own_priced,
    list_sort(list_distinct(list(tier))) as tiers,
    sum(input_tokens) as input_tokens,
    sum(cache_read_input_tokens) as cache_read_input_tokens,
    sum(cache_creation_input_tokens) as cache_creation_input_tokens,
    sum(cache_creation_1h_input_tokens) as cache_creation_1h_input_tokens,
    sum(output_tokens) as output_tokens,
    sum(cost_nanousd) as cost_nanousd
from both_sides
group by all
order by all
