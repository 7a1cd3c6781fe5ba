"""Each export as it is documented, or as people have published it, becomes lines with our meaning of tokens."""

import gzip
import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.billing.comparing import bills
from analysis.billing.exports import FORMATS, Export, read_exports
from analysis.billing.files import WrongFile
from analysis.billing.google import model_of
from analysis.billing.line import BillLine, Tokens

OPENAI_USAGE = {
    "object": "page",
    "data": [
        {
            "object": "bucket",
            "start_time": 1759622400,
            "end_time": 1759708800,
            "results": [
                {
                    "object": "organization.usage.completions.result",
                    "input_tokens": 59200,
                    "output_tokens": 10646,
                    "input_cached_tokens": 5760,
                    "num_model_requests": 10,
                    "project_id": "proj_abc",
                    "api_key_id": "key_abc",
                    "model": "gpt-4o-2024-08-06",
                    "batch": True,
                    "service_tier": "default",
                }
            ],
        },
        {"object": "bucket", "start_time": 1759708800, "end_time": 1759795200, "results": []},
    ],
    "has_more": True,
    "next_page": "page_abc",
}
# As an answer of the API has it: text with far more decimals than a dollar has.
OPENAI_COSTS = {
    "object": "page",
    "has_more": False,
    "next_page": None,
    "data": [
        {
            "object": "bucket",
            "start_time": 1781395200,
            "end_time": 1781481600,
            "results": [
                {
                    "object": "organization.costs.result",
                    "amount": {"value": value, "currency": "usd"},
                    "quantity": quantity,
                    "line_item": item,
                    "project_id": "proj_x",
                }
                for value, quantity, item in [
                    ("0E-6176", 0.0, "gpt-4o-mini-2024-07-18, cached input"),
                    ("0.000004500000000000000000000000000000000", 30.0, "gpt-4o-mini-2024-07-18, input"),
                    ("0.00003420000000000000000000000000000000", 57.0, "gpt-4o-mini-2024-07-18, output"),
                    ("0.01", 1.0, "web search tool calls"),
                ]
            ],
        }
    ],
}
OPENAI_USAGE_CSV = """\
start_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,user_id,api_key_id,model,batch,service_tier,\
input_tokens,output_tokens,input_cached_tokens
1759622400,1759708800,2025-10-05T00:00:00+00:00,2025-10-06T00:00:00+00:00,proj_a,10.0,user-a,key_a,gpt-4o-2024-08-06,FALSE,\
default,59200.0,10646.0,5760.0
1759881600,1759968000,2025-10-08T00:00:00+00:00,2025-10-09T00:00:00+00:00,,,,,,,,,,
"""
OPENAI_COSTS_CSV = """\
start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item,project_id,organization_id,organization_name
1759622400,1759708800,2025-10-05T00:00:00+00:00,2025-10-06T00:00:00+00:00,0.8958740000000000,usd,,,org-a,Personal
1759968000,1760054400,2025-10-09T00:00:00+00:00,2025-10-10T00:00:00+00:00,,,,,,
"""
ANTHROPIC_USAGE = {
    "data": [
        {
            "starting_at": "2025-08-01T00:00:00Z",
            "ending_at": "2025-08-02T00:00:00Z",
            "results": [
                {
                    "uncached_input_tokens": 1500,
                    "cache_creation": {"ephemeral_1h_input_tokens": 1000, "ephemeral_5m_input_tokens": 500},
                    "cache_read_input_tokens": 200,
                    "output_tokens": 500,
                    "server_tool_use": {"web_search_requests": 10},
                    "api_key_id": "apikey_01Rj",
                    "workspace_id": "wrkspc_01Jw",
                    "model": "claude-sonnet-4-20250514",
                    "service_tier": "standard",
                    "context_window": "0-200k",
                }
            ],
        }
    ],
    "has_more": False,
    "next_page": None,
}
ANTHROPIC_COST = {
    "data": [
        {
            "starting_at": "2025-08-01T00:00:00Z",
            "ending_at": "2025-08-02T00:00:00Z",
            "results": [
                {
                    "currency": "USD",
                    "amount": "123.78912",
                    "workspace_id": "wrkspc_01Jw",
                    "description": "Claude Sonnet 4 Usage - Input Tokens",
                    "cost_type": "tokens",
                    "context_window": "0-200k",
                    "model": "claude-sonnet-4-20250514",
                    "service_tier": "batch",
                    "token_type": "uncached_input_tokens",
                }
            ],
        }
    ],
    "has_more": False,
    "next_page": None,
}
ANTHROPIC_USAGE_CSV = """\
usage_date_utc,model_version,api_key,workspace,usage_type,context_window,usage_input_tokens_no_cache,\
usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,usage_input_tokens_cache_read,usage_output_tokens,\
web_search_count,inference_geo,speed
2025-12-04,claude-opus-4-5-20251101,some_key,"Team, two",standard,≤ 200k,1000,2000,500,3000,400,0,not_available,
"""
ANTHROPIC_COST_CSV = """\
usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type,inference_geo,speed
2026-08-04,Claude Haiku 4.5,Default,demo-key,message,≤ 200k,input_no_cache,0.05,0.05,token,not_available,
2026-08-04,,Default,demo-key,message,,,0.02,0.02,web_search,not_available,
"""
GOOGLE_CSV = """\
Date,Service description,Service ID,SKU description,SKU ID,Usage amount,Usage unit,List cost ($),Negotiated savings ($),\
Savings programmes ($),Other savings ($),Unrounded subtotal ($),Subtotal ($)
2026-07-02,Gemini API,AEFD-7695-64FA,Generate content input token count gemini 3.7 flash text batch,2156-A528-227F,"100,000",\
count,0.04,0.00,0.00,0.00,0.037500,0.04
2026-07-02,Cloud Run,152E-C115-5142,CPU in us-central1,1111-A528-227F,3,seconds,0.04,0.00,0.00,0.00,0.037500,0.04
,,,,,,,,,Subtotal,1.530000,1.53,
"""
BIGQUERY = {
    "service": {"id": "AEFD-7695-64FA", "description": "Gemini API"},
    "sku": {"id": "C2BC", "description": "Generate content cached input token count gemini 2.5 flash input short text"},
    "usage_start_time": "2026-07-03 05:00:00 UTC",
    "usage_end_time": "2026-07-03 06:00:00 UTC",
    "project": {"id": "my-project", "name": "Mine"},
    "cost": "0.0003",
    "currency": "USD",
    "usage": {"amount": "10000", "unit": "count"},
    "credits": [{"name": "Free trial", "amount": "-0.0001"}, {"name": "Other", "amount": "-0.0002"}],
    "cost_type": "regular",
}
CUR_CSV = """\
identity/LineItemId,lineItem/UsageStartDate,lineItem/UsageAccountId,lineItem/LineItemType,lineItem/ProductCode,\
lineItem/UsageType,lineItem/UsageAmount,lineItem/CurrencyCode,lineItem/UnblendedCost,lineItem/LineItemDescription,\
product/ProductName,pricing/unit
a1,2026-09-01T10:00:00Z,111122223333,Usage,AmazonBedrock,USE1-Claude4.6Sonnet-cache-read-input-token-count,12.5,USD,0.00375,,\
Amazon Bedrock,1K tokens
a2,2026-09-01T10:00:00Z,111122223333,Usage,AmazonS3,Requests-Tier1,3,USD,0.1,,Amazon S3,Requests
a3,2026-09-01T10:00:00Z,111122223333,Tax,AmazonBedrock,,1,USD,0.2,,Amazon Bedrock,
a4,2026-09-02T10:00:00Z,111122223333,Usage,prod-abc,USE1-MP:USE1_OutputTokenCount-Units,0.002,USD,0.03,\
AWS Marketplace software usage|us-east-1|Million Response Tokens,Claude Sonnet 4.5 (Amazon Bedrock Edition),Units
a5,2026-09-02T10:00:00Z,111122223333,Credit,AmazonBedrock,USE1-Claude4.6Sonnet-input-tokens,0,USD,-0.01,,Amazon Bedrock,
"""
COST_EXPLORER = {
    "GroupDefinitions": [{"Type": "DIMENSION", "Key": "SERVICE"}, {"Type": "DIMENSION", "Key": "USAGE_TYPE"}],
    "ResultsByTime": [
        {
            "TimePeriod": {"Start": "2026-09-01", "End": "2026-09-02"},
            "Total": {},
            "Groups": [
                {
                    "Keys": ["Amazon Bedrock", "USE1-NovaPro-output-tokens"],
                    "Metrics": {
                        "UnblendedCost": {"Amount": "0.0032", "Unit": "USD"},
                        "UsageQuantity": {"Amount": "1", "Unit": "N/A"},
                    },
                },
                {
                    "Keys": ["Amazon Simple Storage Service", "Requests-Tier1"],
                    "Metrics": {"UnblendedCost": {"Amount": "1", "Unit": "USD"}},
                },
            ],
            "Estimated": True,
        }
    ],
}
OPENROUTER_ACTIVITY = {
    "data": [
        {
            "date": "2025-08-24",
            "model": "openai/gpt-4.1",
            "model_permaslug": "openai/gpt-4.1-2025-04-14",
            "endpoint_id": "550e8400-e29b-41d4-a716-446655440000",
            "provider_name": "OpenAI",
            "usage": 0.015,
            "byok_usage_inference": 0.012,
            "requests": 5,
            "prompt_tokens": 50,
            "completion_tokens": 125,
            "reasoning_tokens": 25,
        }
    ]
}
OPENROUTER_CSV = """\
generation_id,created_at,cost_total,cost_web_search,cost_cache,cost_file_processing,byok_usage_inference,tokens_prompt,\
tokens_completion,tokens_reasoning,tokens_cached,model_permaslug,provider_name,variant,cancelled,streamed,user,\
finish_reason_raw,finish_reason_normalized,generation_time_ms,time_to_first_token_ms,api_key_disabled,api_key_name,app_name
gen-1,2025-08-24 23:59:59.100,0.0015,0,0,0,0,100,20,0,40,openai/gpt-4.1-2025-04-14,OpenAI,standard,false,true,,stop,stop,900,\
200,false,laptop,app
"""


def export(folder: Path, content: object) -> Export:
    """The export in a file whose name says nothing."""
    file = folder / "download"
    file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    (read,) = read_exports([file])
    return read


def lines(folder: Path, content: object) -> list[BillLine]:
    return export(folder, content).lines


def test_openai_usage_of_the_api(tmp_path: Path) -> None:
    read = export(tmp_path, OPENAI_USAGE)
    assert read.goes_on
    assert read.lines == [
        BillLine(
            provider_name="openai",
            day=date(2025, 10, 5),
            model="gpt-4o-2024-08-06",
            key="key_abc",
            project="proj_abc",
            requests=10,
            tokens=Tokens(input_tokens=59200, cache_read_input_tokens=5760, output_tokens=10646),
            tier="batch",
        )
    ]


def test_openai_costs_of_the_api_are_exact(tmp_path: Path) -> None:
    cached, input_, output, search = lines(tmp_path, OPENAI_COSTS)
    assert cached.cost_usd == 0 and cached.tokens == Tokens(input_tokens=0, cache_read_input_tokens=0)
    assert (input_.model, input_.cost_usd) == ("gpt-4o-mini-2024-07-18", Decimal("0.0000045"))
    assert input_.tokens == Tokens(input_tokens=30)
    assert (output.cost_usd, output.tokens) == (Decimal("0.0000342"), Tokens(output_tokens=57))
    assert (search.model, search.tokens) == ("web search tool calls", Tokens())
    assert {line.project for line in (cached, input_, output, search)} == {"proj_x"}


def test_openai_csvs_of_the_dashboard(tmp_path: Path) -> None:
    (usage,) = lines(tmp_path, OPENAI_USAGE_CSV)
    assert (usage.day, usage.requests, usage.tier) == (date(2025, 10, 5), 10, None)
    assert usage.tokens == Tokens(input_tokens=59200, cache_read_input_tokens=5760, output_tokens=10646)
    (cost,) = lines(tmp_path, OPENAI_COSTS_CSV)
    assert (cost.day, cost.cost_usd, cost.model) == (date(2025, 10, 5), Decimal("0.895874"), None)


def test_a_tab_between_cells_is_csv_too(tmp_path: Path) -> None:
    assert lines(tmp_path, OPENAI_COSTS_CSV.replace(",", "\t")) == lines(tmp_path, OPENAI_COSTS_CSV)


def test_anthropic_json_of_the_admin_api(tmp_path: Path) -> None:
    (usage,) = lines(tmp_path, ANTHROPIC_USAGE)
    assert usage.tokens == Tokens(
        input_tokens=3200,
        cache_read_input_tokens=200,
        cache_creation_input_tokens=1500,
        cache_creation_1h_input_tokens=1000,
        output_tokens=500,
    )
    assert (usage.key, usage.project, usage.tier) == ("apikey_01Rj", "wrkspc_01Jw", None)
    (cost,) = lines(tmp_path, ANTHROPIC_COST)
    assert (cost.cost_usd, cost.tier, cost.model) == (Decimal("1.2378912"), "batch", "claude-sonnet-4-20250514")


def test_anthropic_csvs_of_the_console(tmp_path: Path) -> None:
    (usage,) = lines(tmp_path, ANTHROPIC_USAGE_CSV)
    assert (usage.tokens.input_tokens, usage.tokens.cache_creation_input_tokens) == (6500, 2500)
    assert (usage.project, usage.key) == ("Team, two", "some_key")
    tokens, search = lines(tmp_path, ANTHROPIC_COST_CSV)
    assert (tokens.model, tokens.cost_usd, tokens.rounding_usd) == (
        "Claude Haiku 4.5",
        Decimal("0.05"),
        Decimal("0.005"),
    )
    assert search.model == "web_search"


def test_google_csv_of_the_console_leaves_other_services_and_totals_out(tmp_path: Path) -> None:
    (line,) = lines(tmp_path, GOOGLE_CSV)
    assert (line.provider_name, line.model, line.tier) == ("gemini", "gemini-3.7-flash", "batch")
    assert (line.tokens, line.cost_usd) == (Tokens(input_tokens=100_000), Decimal("0.0375"))


def test_google_rows_of_bigquery_have_pacific_days_and_credits(tmp_path: Path) -> None:
    two = "\n".join(json.dumps(row) for row in (BIGQUERY, BIGQUERY | {"service": {"description": "Cloud Run"}}))
    (line,) = lines(tmp_path, two)
    assert (line.day, line.project, line.model) == (date(2026, 7, 2), "my-project", "gemini-2.5-flash")
    assert line.tokens == Tokens(input_tokens=10_000, cache_read_input_tokens=10_000)
    assert (line.cost_usd, line.credit_usd) == (Decimal("0.0003"), Decimal("-0.0003"))


def test_aws_cost_and_usage_report(tmp_path: Path) -> None:
    read, marketplace, credit = lines(tmp_path, CUR_CSV)
    assert (read.model, read.cost_usd, read.project) == ("Claude4.6Sonnet", Decimal("0.00375"), "111122223333")
    assert read.tokens == Tokens(input_tokens=12_500, cache_read_input_tokens=12_500)
    assert (marketplace.model, marketplace.tokens) == ("Claude Sonnet 4.5", Tokens(output_tokens=2000))
    assert (credit.cost_usd, credit.credit_usd) == (Decimal(0), Decimal("-0.01"))


def test_aws_data_exports_in_parquet_and_gzip(tmp_path: Path) -> None:
    row = {
        "line_item_usage_start_date": "2026-09-01T10:00:00Z",
        "line_item_usage_type": "USW2-anthropic.claude-opus-4-8-mantle-input-tokens-flex",
        "line_item_usage_amount": 1.5,
        "line_item_product_code": "AmazonBedrock",
        "line_item_line_item_type": "Usage",
        "line_item_currency_code": "USD",
        "line_item_unblended_cost": 0.0075,
        "pricing_unit": "1K tokens",
        "product": [("product_name", "Amazon Bedrock")],
    }
    table = pa.Table.from_pylist([row], schema=pa.schema(
        [(name, pa.float64() if isinstance(value, float) else pa.string()) for name, value in row.items() if name != "product"]
        + [("product", pa.map_(pa.string(), pa.string()))]
    ))  # fmt: skip
    pq.write_table(table, tmp_path / "cur")
    (parquet,) = read_exports([tmp_path / "cur"])
    assert (parquet.lines[0].model, parquet.lines[0].tier) == ("anthropic.claude-opus-4-8", "flex")
    assert (parquet.lines[0].tokens, parquet.lines[0].cost_usd) == (Tokens(input_tokens=1500), Decimal("0.0075"))
    text = CUR_CSV.replace("lineItem/", "line_item_x/")
    (tmp_path / "cur.gz").write_bytes(gzip.compress(CUR_CSV.encode()))
    assert len(read_exports([tmp_path / "cur.gz"])[0].lines) == 3
    with pytest.raises(WrongFile, match="not an export that is known here"):
        lines(tmp_path, text)


def test_aws_cost_explorer(tmp_path: Path) -> None:
    (line,) = lines(tmp_path, COST_EXPLORER)
    assert (line.model, line.cost_usd, line.is_final) == ("NovaPro", Decimal("0.0032"), False)
    assert line.tokens == Tokens(output_tokens=1000)


def test_openrouter(tmp_path: Path) -> None:
    (day,) = lines(tmp_path, OPENROUTER_ACTIVITY)
    assert (day.cost_usd, day.requests, day.tokens.output_tokens) == (Decimal("0.027"), 5, 125)
    (generation,) = lines(tmp_path, OPENROUTER_CSV)
    assert (generation.response_id, generation.key, generation.day) == ("gen-1", "laptop", date(2025, 8, 24))
    assert generation.tokens == Tokens(input_tokens=100, cache_read_input_tokens=40, output_tokens=20)


@pytest.mark.parametrize(
    ("sku", "model"),
    [
        ("Generate content input token count gemini 2.5 flash lite short input text", "gemini-2.5-flash-lite"),
        ("Generate content output token count gemini 2.5 flash short output text non-thinking", "gemini-2.5-flash"),
        ("Generate_content text cached input token count for gemini 3 pro short", "gemini-3-pro"),
        ("Generate content input token count Gemini 2.5 Pro input image", "gemini-2.5-pro"),
        ("Generate content input token count gemini 3.7 flash image flex caching", "gemini-3.7-flash-image"),
        ("Generate content output token count gemini 3.1 flash lite preview text", "gemini-3.1-flash-lite-preview"),
        ("EmbedContent input token count for gemini-embedding-001", "gemini-embedding-001"),
        ("Gemini 2.5 Pro Thinking Text Output - Predictions", "gemini-2.5-pro"),
        ("Grounding with Google Search", None),
    ],
)
def test_googles_skus_name_the_model_in_many_ways(sku: str, model: str | None) -> None:
    assert model_of(sku) == model


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "empty"),
        ("date,amount\n2026-01-01,3\n", "Expected one of: OpenAI usage"),
        (OPENAI_COSTS_CSV.splitlines()[0] + "\n", "without a line of usage or cost"),
        (ANTHROPIC_USAGE_CSV[:-30], "of 14 columns"),
        (json.dumps(OPENAI_COSTS)[:-40], "the file is cut"),
        (json.dumps(BIGQUERY) + "\n" + json.dumps(BIGQUERY)[:-9], "line 2 is not whole JSON"),
        (ANTHROPIC_COST_CSV.replace(",token_type", ",kind"), "without token_type"),
        (ANTHROPIC_COST_CSV.replace("0.05,0.05", "five,0.05"), "line 2: cost_usd: 'five' is not a number"),
        (ANTHROPIC_COST_CSV.replace("2026-08-04,Claude", "yesterday,Claude"), "'yesterday' is not a day"),
        (OPENAI_COSTS_CSV.replace(",usd,", ",eur,"), "'eur' where USD was expected"),
        (json.dumps(BIGQUERY | {"currency": "TWD"}), "'TWD' where USD was expected"),
        (OPENAI_USAGE_CSV.replace("59200.0", "-1"), "is not a count"),
        (OPENAI_USAGE_CSV.replace("59200.0", "1e99999999"), "is not a possible number"),
        ('"' + OPENAI_USAGE_CSV, "cut or damaged"),
        ("[" * 100_000, "not whole JSON"),
        ("[1, 2, 3]", "not an export that is known here"),
        (json.dumps(COST_EXPLORER | {"GroupDefinitions": []}), "group by USAGE_TYPE"),
    ],
)
def test_another_shape_or_half_of_one_says_what_was_expected(tmp_path: Path, content: str, says: str) -> None:
    with pytest.raises(WrongFile, match=says):
        lines(tmp_path, content)


def test_a_binary_file_and_a_cut_parquet_are_refused(tmp_path: Path) -> None:
    for content in (b"\xff\xfe\x00a", b"PAR1cut", b"PK\x03\x04", gzip.compress(b"a" * 1000)[:40]):
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(WrongFile):
            read_exports([tmp_path / "file"])


def test_lines_that_would_count_twice_are_refused(tmp_path: Path) -> None:
    for name, content in {"one": OPENAI_USAGE_CSV, "two": OPENAI_USAGE_CSV + "\n"}.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(WrongFile, match="count twice"):
        read_exports([tmp_path / "one", tmp_path / "two"])
    without_keys = OPENAI_USAGE_CSV.replace("key_a", "")
    (tmp_path / "two").write_text(without_keys)
    with pytest.raises(WrongFile, match="grouped in different ways"):
        bills(read_exports([tmp_path / "one", tmp_path / "two"]))


def test_tokens_of_costs_give_way_to_those_of_usage(tmp_path: Path) -> None:
    (tmp_path / "usage").write_text(json.dumps(OPENAI_USAGE))
    (tmp_path / "costs").write_text(json.dumps(OPENAI_COSTS))
    (bill,) = bills(read_exports([tmp_path / "usage", tmp_path / "costs"]))
    assert sum(line.tokens.input_tokens or 0 for line in bill.lines) == 59200
    assert sum((line.cost_usd or 0) for line in bill.lines) == Decimal("0.0100387")


def test_every_format_says_where_its_columns_are_documented() -> None:
    assert all(each.source.startswith("https://") and len(each.columns) >= 3 for each in FORMATS)
