"""Stored calls priced again: what changes, what stays, what was there, and what a kill leaves."""

import gzip
import json
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from addon.commands.cli import main
from addon.metering.price import PriceList
from addon.settling.parquet import read_parts, write_parquet
from addon.settling.row_worker import RowMaker
from addon.settling.settled_files import dump_line, row_fields
from addon.storage.folders import Folders
from addon.storage.record import BodyRow, RequestRow
from analysis.billing.reprice import Scoped, reprice_day, write_day
from analysis.explained import request_rows
from analysis.lake import Lake
from analysis.reports.window import Window
from tests.analysis.writing import segment

DAY = datetime(2026, 7, 2, 12, tzinfo=UTC)
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Here."}, "finish_reason": "stop"}],
    "usage": USAGE,
}
REQUEST = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Where?"}]}
PRICE = 210_000  # nano-USD: 1,000 tokens at 0.15 and 100 at 0.60 USD a million


def call(number: int, **columns: Any) -> RequestRow:
    """A call whose cost is not that of the list."""
    known: dict[str, Any] = {
        "request_id": f"0199f000-0000-7000-8000-{number:012x}",
        "started_at": DAY,
        "provider_name": "openai",
        "operation_name": "chat",
        "request_model": "gpt-4o-mini",
        "response_model": "gpt-4o-mini-2024-07-18",
        "host": "api.openai.com",
        "path": "/v1/chat/completions",
        "status": 200,
        "input_tokens": 1000,
        "output_tokens": 100,
        "usage_raw": json.dumps(USAGE),
        "usage_source": "provider",
        "cost_nanousd": 999,
        "cost_source": "genai-prices 0.0",
    }
    return RequestRow(**known | columns)


def body(row: RequestRow, response: str | None = json.dumps(ANSWER), **columns: Any) -> BodyRow:
    return BodyRow(
        request_id=row.request_id,
        started_at=row.started_at,
        request_body=json.dumps(REQUEST),
        response_body=response,
        **columns,
    )


def store(data: Path, rows: Sequence[RequestRow], bodies: Sequence[BodyRow] = (), number: int = 1) -> None:
    """The rows as Parquet, a file a day."""
    records: dict[str, Sequence[RequestRow | BodyRow]] = {"requests": rows, "bodies": bodies}
    for table, all_of in records.items():
        for day in {record.started_at.date() for record in all_of}:
            lines = [dump_line(row_fields(record)) for record in all_of if record.started_at.date() == day]
            write_parquet(Folders(data).parquet(table, segment(number), day), table, read_parts(lines, table))


def run(data: Path, *arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(main, ["reprice", "--since", "2026-07-01", *arguments, "--data", str(data)], **options)


def stored(data: Path, number: int) -> RequestRow:
    (row,) = Lake(data).ask(lambda connection: request_rows(connection, call(number).request_id))
    return row


def test_a_dry_run_shows_the_difference_by_model_and_writes_nothing(tmp_path: Path) -> None:
    store(tmp_path, [call(1), call(2), call(3, response_model="gpt-4o", cost_nanousd=3_500_000)])
    answered = run(tmp_path, "--dry-run", "--json")
    assert answered.exit_code == 0, answered.output
    mini, other = json.loads(answered.stdout)
    assert (mini["model"], mini["calls"], mini["changed"]) == ("gpt-4o-mini-2024-07-18", 2, 2)
    assert mini["difference_usd"] == pytest.approx((2 * PRICE - 2 * 999) / 1e9)
    assert (other["model"], other["changed"], other["difference_usd"]) == ("gpt-4o", 0, 0.0)
    assert "2 calls would change; nothing was written" in answered.stderr
    assert stored(tmp_path, 1) == call(1)


def test_a_new_price_is_written_and_the_former_one_stays_readable(tmp_path: Path) -> None:
    store(tmp_path, [call(1), call(2, cost_nanousd=PRICE)])
    answered = run(tmp_path, "--yes")
    assert answered.exit_code == 0, answered.output
    row = stored(tmp_path, 1)
    assert row.cost_nanousd == PRICE
    assert row.cost_source and row.cost_source.startswith("genai-prices")
    (former,) = json.loads(row.repriced or "")
    assert former["was"] == {"cost_nanousd": 999, "cost_source": "genai-prices 0.0"}
    assert stored(tmp_path, 2) == call(2, cost_nanousd=PRICE)
    explained = CliRunner().invoke(main, ["explain", row.request_id, "--data", str(tmp_path)])
    assert f"until {former['at']}: 0.000000999 USD (genai-prices 0.0)" in explained.stdout
    again = run(tmp_path, "--yes")
    assert "no cost would change" in again.stderr
    assert stored(tmp_path, 1) == row


def test_only_calls_of_the_window_that_fit_are_priced(tmp_path: Path) -> None:
    late = DAY + timedelta(days=5)
    store(tmp_path, [call(1), call(2, user_id="ann"), call(3, started_at=late)])
    assert run(tmp_path, "--until", "2026-07-05", "--where", "user_id is null", "--yes").exit_code == 0
    assert [stored(tmp_path, number).cost_nanousd for number in (1, 2, 3)] == [PRICE, 999, 999]


def test_a_call_without_a_price_gets_one_and_own_prices_count(tmp_path: Path) -> None:
    unpriced = {"cost_nanousd": None, "cost_source": None, "cost_missing": "no price for model acme-1"}
    store(tmp_path, [call(1, **unpriced, request_model="acme-1", response_model="acme-1", usage_source="estimated")])
    assert "no cost would change" in run(tmp_path, "--yes").stderr
    (tmp_path / "heliograph.toml").write_text(
        '[[prices]]\nname = "acme"\nprovider = "openai"\nmodel = "acme-1"\n'
        "input_usd_per_million = 1.0\noutput_usd_per_million = 2.0\n"
    )
    assert run(tmp_path, "--yes").exit_code == 0
    row = stored(tmp_path, 1)
    assert (row.cost_nanousd, row.cost_source, row.cost_missing) == (1_200_000, "override acme", None)
    assert row.usage_source == "estimated"
    assert json.loads(row.repriced or "")[0]["was"]["cost_nanousd"] is None


def test_costs_that_no_list_made_stay(tmp_path: Path) -> None:
    rows = [call(number, cost_source=source) for number, source in enumerate(("provider", "free", "cache"))]
    store(tmp_path, [*rows, call(9, response_model="gone-1", request_model="gone-1")])
    answered = run(tmp_path, "--yes")
    assert "3 calls stay as they were: stated by the provider, free or cached" in answered.stderr
    assert "1 call stays as it was: no price today" in answered.stderr
    assert [stored(tmp_path, number) for number in range(3)] == rows


def test_tokens_are_read_again_from_the_same_usage_object(tmp_path: Path) -> None:
    """As after a mended rule: the row counted 1 token of the thousand."""
    wrong = call(1, input_tokens=1)
    other = call(2, input_tokens=1, usage_raw='{"prompt_tokens": 7}')
    store(tmp_path, [wrong, other], [body(wrong), body(other)])
    assert run(tmp_path, "--yes").exit_code == 0
    assert (stored(tmp_path, 1).input_tokens, stored(tmp_path, 1).cost_nanousd) == (1000, PRICE)
    assert stored(tmp_path, 2).input_tokens == 1  # its body says something else than its row was made of


def test_calls_that_a_bug_did_not_read_are_read_again(tmp_path: Path) -> None:
    nothing: dict[str, Any] = dict.fromkeys(
        ("response_model", "input_tokens", "output_tokens", "usage_raw", "usage_source", "cost_nanousd", "cost_source")
    )
    unread = [call(number, **nothing, error_type="heliograph_ValueError") for number in (1, 2, 3)]
    compressed = "data:application/json;base64," + b64encode(gzip.compress(json.dumps(ANSWER).encode())).decode()
    interrupted = call(4, **nothing, error_type="heliograph_interrupted")
    store(
        tmp_path,
        [*unread, interrupted],
        [body(unread[0]), body(unread[1], compressed), body(unread[2], None), body(interrupted)],
    )
    answered = run(tmp_path, "--yes")
    assert answered.exit_code == 0, answered.output
    for number in (1, 2):
        row = stored(tmp_path, number)
        assert (row.error_type, row.cost_nanousd, row.input_tokens) == (None, PRICE, 1000)
        assert row.response_model == "gpt-4o-mini-2024-07-18"
        assert json.loads(row.repriced or "")[0]["was"]["error_type"] == "heliograph_ValueError"
    assert "1 call stays as it was: no body to read again" in answered.stderr
    assert stored(tmp_path, 3) == unread[2]
    assert stored(tmp_path, 4).error_type == "heliograph_interrupted"


def test_a_pass_that_ended_in_between_is_ended_by_the_next(tmp_path: Path) -> None:
    """Each file is changed at one rename; a pass that was killed has changed some of them."""
    store(tmp_path, [call(1), call(2, started_at=DAY + timedelta(days=1))])
    prices = PriceList()
    reader = RowMaker(prices, tmp_path, None)
    scoped = Scoped(Lake(tmp_path), Window(DAY), None, prices, reader, DAY + timedelta(days=9))
    assert write_day(Folders(tmp_path), DAY.date(), reprice_day(scoped, DAY.date()).changes) == 1
    reader.close()
    assert [stored(tmp_path, number).cost_nanousd for number in (1, 2)] == [PRICE, 999]
    assert run(tmp_path, "--yes").exit_code == 0
    rows = [stored(tmp_path, number) for number in (1, 2)]
    assert [row.cost_nanousd for row in rows] == [PRICE, PRICE]
    assert [len(json.loads(row.repriced or "")) for row in rows] == [1, 1]


def test_it_asks_first(tmp_path: Path) -> None:
    store(tmp_path, [call(1)])
    refused = run(tmp_path, input="n\n")
    assert refused.exit_code == 1
    assert "Change 1 call?" in refused.output
    assert stored(tmp_path, 1).cost_nanousd == 999
    assert run(tmp_path, input="y\n").exit_code == 0
    assert stored(tmp_path, 1).cost_nanousd == PRICE


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--since", "2126-01-01"), "is in the future"),
        (("--until", "2026-06-01"), "is not after since"),
        (("--where", "modle = 'a'"), "did you mean 'model'"),
        (("--json",), "--json and --csv ask nothing; add --yes or --dry-run"),
    ],
)
def test_wrong_input_changes_nothing(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    store(tmp_path, [call(1)])
    answered = run(tmp_path, *arguments)
    assert answered.exit_code == 2
    assert says in answered.output
    assert stored(tmp_path, 1) == call(1)
