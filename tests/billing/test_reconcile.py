"""Exports beside rows that are known: each difference has its result and its likeliest reason."""

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from addon.commands.cli import main
from addon.storage.record import RequestRow
from tests.analysis.writing import settle

DAY = datetime(2026, 7, 2, 12, tzinfo=UTC)


def call(number: int, *, at: datetime = DAY, **columns: Any) -> RequestRow:
    """A call of gpt-4o-mini with 1,000 tokens in, 100 out, at list price."""
    known: dict[str, Any] = {
        "request_id": f"0199f000-0000-7000-8000-{number:012x}",
        "started_at": at,
        "provider_name": "openai",
        "operation_name": "chat",
        "request_model": "gpt-4o-mini",
        "response_model": "gpt-4o-mini-2024-07-18",
        "path": "/v1/chat/completions",
        "status": 200,
        "input_tokens": 1000,
        "output_tokens": 100,
        "usage_source": "provider",
        "cost_nanousd": 210_000,
        "cost_source": "genai-prices 0.0",
        "api_key_hash": "aaaa",
    }
    return RequestRow(**known | columns)


def usage(day: datetime, **columns: Any) -> dict[str, Any]:
    """A result of OpenAI's usage for the call above."""
    known: dict[str, Any] = {
        "day": day,
        "model": "gpt-4o-mini-2024-07-18",
        "num_model_requests": 1,
        "input_tokens": 1000,
        "output_tokens": 100,
        "api_key_id": None,
        "project_id": None,
    }
    return known | columns


def cost(day: datetime, value: str, line_item: str = "gpt-4o-mini-2024-07-18, input") -> dict[str, Any]:
    return {"day": day, "amount": {"value": value, "currency": "usd"}, "line_item": line_item, "project_id": None}


def page(*results: dict[str, Any]) -> str:
    """An answer of OpenAI's API, a day a bucket."""
    buckets: dict[int, list[dict[str, Any]]] = {}
    for result in results:
        midnight = result["day"].replace(hour=0)
        kept = {name: value for name, value in result.items() if name != "day"}
        buckets.setdefault(int(midnight.timestamp()), []).append(kept)
    data = [{"start_time": start, "end_time": start + 86400, "results": found} for start, found in buckets.items()]
    return json.dumps({"object": "page", "data": data, "has_more": False})


class Desk:
    """A data folder and exports beside it."""

    def __init__(self, folder: Path) -> None:
        self.data, self.folder = folder / "data", folder

    def calls(self, *rows: RequestRow) -> None:
        settle(self.data, rows, 1)

    def run(self, *arguments: str, **files: str) -> Result:
        for name, content in files.items():
            (self.folder / name).write_text(content, encoding="utf-8")
        paths = [str(self.folder / name) for name in files]
        return CliRunner().invoke(main, ["reconcile", *paths, *arguments, "--data", str(self.data)])

    def told(self, *arguments: str, **files: str) -> list[dict[str, Any]]:
        answered = self.run("--json", *arguments, **files)
        assert answered.exit_code == 0, answered.output
        rows: list[dict[str, Any]] = json.loads(answered.stdout)
        return rows


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def results(rows: Sequence[dict[str, Any]]) -> list[str]:
    return [row["result"] for row in rows]


def test_the_same_tokens_and_cost_are_matched(desk: Desk) -> None:
    desk.calls(call(1), call(2, input_tokens=0, output_tokens=0, cost_nanousd=0, cache_status="hit", attempts=0))
    (row,) = desk.told(
        usage=page(usage(DAY)), costs=page(cost(DAY, "0.00015"), cost(DAY, "0.00006", "gpt-4o-mini, output"))
    )
    assert (row["result"], row["reason"], row["model"], row["calls"]) == ("matched", None, "gpt-4o-mini-2024-07-18", 1)
    assert (row["cost_usd"], row["billed_usd"], row["difference_usd"]) == (0.00021, 0.00021, 0.0)


def test_calls_past_the_proxy_are_missing_here(desk: Desk) -> None:
    desk.calls(call(1))
    rows = desk.told(usage=page(usage(DAY, input_tokens=3000, num_model_requests=3), usage(DAY, model="gpt-5")))
    assert results(rows) == ["missing here", "missing here"]
    assert rows[0]["reason"] == "2,000 tokens more on the bill: calls that did not go through this proxy"
    assert rows[1]["reason"].startswith("no such call here")


def test_failed_attempts_may_be_what_is_missing_here(desk: Desk) -> None:
    desk.calls(call(1, attempts=2))
    (row,) = desk.told(usage=page(usage(DAY, input_tokens=2000, num_model_requests=2)))
    assert row["reason"] == "1 attempt here failed or was repeated: the provider may bill what never arrived"


def test_a_call_around_midnight_is_on_the_other_day(desk: Desk) -> None:
    late = DAY.replace(hour=23, minute=59)
    desk.calls(call(1), call(2, at=late), call(3, at=DAY + timedelta(days=1)))
    rows = desk.told(usage=page(usage(DAY), usage(DAY + timedelta(days=1), input_tokens=2000, output_tokens=200)))
    assert results(rows) == ["missing there", "missing here"]
    assert rows[0]["reason"].startswith("day boundary: together with 2026-07-03 both sides are the same")


def test_what_is_not_billed_is_missing_there(desk: Desk) -> None:
    desk.calls(call(1), call(2, response_model="gpt-5", request_model="gpt-5"), call(3, at=DAY + timedelta(days=1)))
    rows = desk.told(usage=page(usage(DAY), usage(DAY + timedelta(days=1), input_tokens=900)))
    assert results(rows) == ["matched", "missing there", "missing there"]
    assert rows[1]["reason"].startswith("not on the bill: free tier")
    assert rows[2]["reason"] == "the last day of the export: not all of it is billed yet"


def test_a_batch_is_half_the_price(desk: Desk) -> None:
    desk.calls(call(1))
    (row,) = desk.told(usage=page(usage(DAY)), costs=page(cost(DAY, "0.000105")))
    assert (row["result"], row["reason"]) == ("priced differently", "billed at half the price here: batch or flex")
    (named,) = desk.told(usage=page(usage(DAY, batch=True)), costs=page(cost(DAY, "0.000105")))
    assert named["reason"] == "the bill has the tier batch, the calls here do not"


def test_calls_without_a_price_are_named(desk: Desk) -> None:
    desk.calls(call(1, cost_nanousd=None, cost_source=None, cost_missing="no price for model x"))
    (row,) = desk.told(usage=page(usage(DAY)), costs=page(cost(DAY, "0.00021")))
    assert row["reason"] == "1 call here without a price: no price for model x"
    assert row["cost_usd"] is None


def test_tokens_of_another_kind_are_named(desk: Desk) -> None:
    desk.calls(call(1, cache_read_input_tokens=200))
    (row,) = desk.told(usage=page(usage(DAY, input_cached_tokens=900)))
    assert row["result"] == "priced differently"
    assert row["reason"] == "the same tokens in sum, but 900 cache reads on the bill and 200 here"


def test_a_constant_difference_is_a_contract_or_own_prices(desk: Desk) -> None:
    desk.calls(call(1))
    costs = page(cost(DAY, "0.000189"))
    (row,) = desk.told(usage=page(usage(DAY)), costs=costs)
    assert row["reason"].startswith("the same usage at 10.0 % less")
    settle(desk.data, [call(2, at=DAY + timedelta(days=1), cost_source="override mine", cost_nanousd=1)], 2)
    later = DAY + timedelta(days=1)
    rows = desk.told(usage=page(usage(DAY), usage(later)), costs=page(cost(DAY, "0.00021"), cost(later, "0.00021")))
    assert [row["reason"] for row in rows] == [None, "1 call here priced by your own [[prices]]"]


def test_another_name_of_a_model_is_guessed_by_its_tokens(desk: Desk) -> None:
    desk.calls(call(1, response_model="my-tune", input_tokens=777))
    rows = desk.told(usage=page(usage(DAY, model="ft:gpt-4o-mini:acme", input_tokens=777)))
    assert {row["reason"] for row in rows} == {
        "the same tokens are here under model my-tune: another name of the same?",
        "the same tokens are on the bill under model ft:gpt-4o-mini:acme: another name of the same?",
    }


def test_calls_paid_by_a_plan_are_not_expected_on_the_bill(desk: Desk) -> None:
    by_plan: dict[str, Any] = {
        "cost_nanousd": None,
        "list_cost_nanousd": 99,
        "cost_missing": "paid by a plan, not by tokens",
    }
    desk.calls(call(1), call(2, **by_plan))
    assert results(desk.told(usage=page(usage(DAY)))) == ["matched"]


def test_keys_are_told_by_their_amounts(desk: Desk) -> None:
    desk.calls(call(1), call(2, api_key_hash="bbbb", input_tokens=5), call(3, api_key_hash="cccc", input_tokens=9))
    bill = page(
        usage(DAY, api_key_id="key_two", project_id="proj_b", input_tokens=5),
        usage(DAY, api_key_id="key_one", project_id="proj_a"),
        usage(DAY, api_key_id="key_other", project_id="proj_b", input_tokens=4),
    )
    rows = desk.told("--by", "key", usage=bill)
    assert {row["key"]: row["result"] for row in rows} == {
        "key_one": "matched",
        "key_two": "matched",
        "key_other": "missing here",
        "hash cccc": "missing there",
    }
    assert {row["project"]: row["calls"] for row in desk.told("--by", "project", usage=bill)} == {
        "proj_a": 1,
        "proj_b": 1,
        None: 1,
    }


def test_a_model_may_have_another_name_on_the_bill(desk: Desk) -> None:
    anthropic: dict[str, Any] = {"provider_name": "anthropic", "host": "api.anthropic.com", "path": "/v1/messages"}
    desk.calls(
        call(1, **anthropic, request_model="claude-sonnet-4-5", response_model="claude-sonnet-4-5-20250929"),
        call(2, provider_name="bedrock", request_model="us.anthropic.claude-sonnet-4-6", response_model=None),
        call(3, provider_name="gemini", request_model="gemini-2.5-flash", response_model="gemini-2.5-flash"),
    )
    console = io.StringIO()
    writer = csv.writer(console)
    writer.writerow(["usage_date_utc", "model", "token_type", "cost_usd"])
    writer.writerow(["2026-07-02", "Claude Sonnet 4.5", "output", "0.00"])
    explorer = {
        "GroupDefinitions": [{"Type": "DIMENSION", "Key": "USAGE_TYPE"}],
        "ResultsByTime": [
            {
                "TimePeriod": {"Start": "2026-07-02", "End": "2026-07-03"},
                "Groups": [
                    {
                        "Keys": [f"USE1-Claude4.6Sonnet-{kind}-tokens"],
                        "Metrics": {
                            "UnblendedCost": {"Amount": amount, "Unit": "USD"},
                            "UsageQuantity": {"Amount": count},
                        },
                    }
                    for kind, amount, count in [("input", "0.00015", "1"), ("output", "0.00006", "0.1")]
                ],
            }
        ],
    }
    google = {
        "service": {"description": "Gemini API"},
        "usage_start_time": "2026-07-02T19:00:00Z",
        "currency": "USD",
    }
    bigquery = [
        google | {"sku": {"description": f"Generate content {kind} token count gemini 2.5 flash short {kind} text"},
                  "cost": amount, "usage": {"amount": count, "unit": "count"}}
        for kind, amount, count in [("input", "0.00015", 1000), ("output", "0.00006", 100)]
    ]  # fmt: skip
    rows = desk.told(console=console.getvalue(), explorer=json.dumps(explorer), bigquery=json.dumps(bigquery))
    assert [(row["provider_name"], row["result"], row["model"]) for row in rows] == [
        ("anthropic", "matched", "claude-sonnet-4-5-20250929"),
        ("bedrock", "matched", "us.anthropic.claude-sonnet-4-6"),
        ("gemini", "matched", "gemini-2.5-flash"),
    ]


def test_generations_of_openrouter_are_known_by_their_ids(desk: Desk) -> None:
    desk.calls(call(1, provider_name="openrouter", response_id="gen-1", response_model="openai/gpt-4o-mini"))
    header = "generation_id,created_at,cost_total,tokens_prompt,tokens_completion,model_permaslug\n"
    lines = "".join(f"gen-{number},2026-07-02 10:00:00,0.00021,1000,100,openai/gpt-4o-mini\n" for number in (1, 2, 3))
    (row,) = desk.told(activity=header + lines)
    assert row["reason"] == "2 requests of the bill not among the calls here: not through this proxy"


def test_only_the_days_of_the_export_are_compared_and_fewer_if_asked(desk: Desk) -> None:
    desk.calls(*(call(day, at=DAY + timedelta(days=day)) for day in range(5)))
    bill = page(*(usage(DAY + timedelta(days=day)) for day in range(1, 4)))
    assert [row["day"] for row in desk.told(usage=bill)] == ["2026-07-03", "2026-07-04", "2026-07-05"]
    assert [row["day"] for row in desk.told("--since", "2026-07-04", "--until", "2026-07-05", usage=bill)] == [
        "2026-07-04"
    ]
    outside = desk.run("--since", "2026-08-01", usage=bill)
    assert outside.exit_code == 2
    assert "is about 2026-07-03 to 2026-07-05; no day of it" in outside.output


def test_a_table_ends_with_the_sums_and_csv_has_them_on_stderr(desk: Desk) -> None:
    desk.calls(call(1))
    bills = {"usage": page(usage(DAY)), "costs": page(cost(DAY, "0.00042"))}
    table = desk.run(**bills)
    assert "openai, 2026-07-02 to 2026-07-02 (UTC days): billed 0.000420 USD, here 0.000210 USD" in table.stdout
    assert "1 priced differently" in table.stdout
    lines = desk.run("--csv", **bills)
    assert lines.stdout.startswith("provider_name,day,model,result,cost_usd,billed_usd,difference_usd,reason")
    assert "difference +0.000210 USD" in lines.stderr


@pytest.mark.parametrize(
    ("arguments", "files", "says"),
    [
        ((), {}, "name the exports to compare"),
        (("--by", "user"), {"usage": page(usage(DAY))}, "--by 'user': write one or more of day, model, key, project"),
        (("--by", "key"), {"usage": page(usage(DAY))}, "the export of openai has no key; it has day, model"),
        ((), {"usage": "a,b\n1,2\n"}, "not an export that is known here"),
        ((), {"usage": page(usage(DAY))[:-20]}, "the file is cut or damaged"),
        (("--since", "nevr"), {"usage": page(usage(DAY))}, "'nevr' is not a time"),
        (("no-such-file.csv",), {}, "No such file"),
    ],
)
def test_wrong_input_takes_nothing(desk: Desk, arguments: tuple[str, ...], files: dict[str, str], says: str) -> None:
    answered = desk.run(*arguments, **files)
    assert answered.exit_code == 2
    assert says in answered.output
