"""`report`, `sql` and `tail` as a person types them."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from addon.commands.report import report
from addon.commands.sql import sql
from addon.commands.tail import shows_colour, tail
from addon.storage.folders import Folders
from addon.storage.record import TABLES, RequestRow
from analysis.faces.summary import summarise
from analysis.faces.tail import Filters, Tail, line
from analysis.reports.report import REPORTS
from analysis.reports.zone import zone_of
from tests.analysis.writing import leave_in_journal, made_up_rows, settle, to_parquet

VERBS: dict[str, click.Command] = {"report": report, "sql": sql, "tail": tail}
SINCE = ("--since", "2026-11-01")


def heliograph(data: Path, verb: str, *arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(VERBS[verb], ["--data", str(data), *arguments], input=stdin)


def examples(verb: str) -> list[str]:
    """The example lines of a verb's help."""
    text = CliRunner().invoke(VERBS[verb], ["--help"]).output
    return [line.strip() for line in text.splitlines() if f"heliograph {verb}" in line]


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_is_a_table_json_and_csv(data: Path, name: str) -> None:
    table = heliograph(data, "report", name, *SINCE)
    assert table.exit_code == 0
    assert name in table.stdout
    assert "400 calls" in table.stdout
    assert "without a price" in table.stdout
    as_json = heliograph(data, "report", name, *SINCE, "--json", "--limit", "0")
    rows = json.loads(as_json.stdout)
    assert "400 calls" in as_json.stderr
    as_csv = heliograph(data, "report", name, *SINCE, "--csv", "--limit", "0")
    assert len(as_csv.stdout.splitlines()) == len(rows) + 1


def test_without_a_name_it_shows_the_costs_and_lists_the_reports(data: Path) -> None:
    result = heliograph(data, "report", *SINCE)
    assert result.exit_code == 0
    assert "costs: What did the calls cost" in result.stdout
    assert all(f"\n  {name} " in result.stderr for name in REPORTS)


def test_budgets_and_limits_are_reports_too(tmp_path: Path) -> None:
    (tmp_path / "heliograph.toml").write_text('[[budgets]]\nname = "team"\nusd = 50\nperiod = "month"\n')
    told = heliograph(tmp_path, "report", "budgets", "--tz", "UTC")
    assert told.exit_code == 0
    assert "$50.000000" in told.stdout
    (row,) = json.loads(heliograph(tmp_path, "report", "budgets", "--json").stdout)
    assert (row["name"], row["budget_usd"], row["spent_usd"]) == ("team", 50.0, 0.0)
    assert {"forecast_usd", "runs_out_at"} <= set(row)
    assert "[[limits]]" in heliograph(tmp_path, "report", "limits").stderr
    refused = heliograph(tmp_path, "report", "budgets", "--since", "7d", "--by", "user")
    assert (refused.exit_code, "does not take --since, --by" in refused.stderr) == (2, True)


def test_json_has_null_for_unknown_and_times_in_utc(data: Path, rows: list[RequestRow]) -> None:
    found = json.loads(heliograph(data, "report", "requests", *SINCE, "--json", "--limit", "0").stdout)
    by_id = {row["request_id"]: row for row in found}
    for row in rows:
        cost = by_id[row.request_id]["cost_usd"]
        assert cost == (None if row.cost_nanousd is None else pytest.approx(row.cost_nanousd / 1e9))
        assert by_id[row.request_id]["started_at"] == row.started_at.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("report", "cost"), "no report 'cost'; did you mean 'costs'; there are summary, costs, models"),
        (("report", "--json", "--csv"), "--json and --csv: choose one"),
        (("sql", "select 1", "--csv", "--json"), "--json and --csv: choose one"),
        (("report", "--since", "this-moth"), "did you mean 'this-month'"),
        (("report", "--until", "tomorrow"), "'tomorrow' is not a time"),
        (("report", "--since", "2999-01"), "since 2999-01-01 is in the future"),
        (("report", "--tz", "Berlin"), "did you mean 'Europe/Berlin'"),
        (("report", "summary", "--by", "model"), "--by is for costs, models, users, sessions, latency"),
        (("report", "--since", "soon"), "'soon' is not a time; write 30m, 24h, 7d"),
        (("report", "--since", "7d", "--until", "2026-01-01"), "is not after"),
        (("report", "costs", "--by", "usr"), "'usr' is not a dimension; did you mean 'user'; allowed are hour"),
        (("report", "requests", "--by", "model"), "report requests has fixed columns"),
        (("report", "costs", "--limit", "-1"), "-1 is not in the range"),
        (("sql",), "give a statement"),
        (("tail", "-n", "many"), "not a valid integer"),
    ],
)
def test_wrong_usage_is_exit_2_and_says_what_is_allowed(data: Path, arguments: Sequence[str], message: str) -> None:
    result = heliograph(data, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    "statement",
    [
        "selec 1",
        "from nix",
        "select cast('x' as int)",
        "from read_csv('/etc/passwd')",
        "copy (select 1) to 'x.csv'",
        "select 1; select 2",
    ],
)
def test_sql_that_is_wrong_is_exit_2_and_a_message(data: Path, statement: str) -> None:
    result = heliograph(data, "sql", statement)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert result.stdout == ""


@pytest.mark.parametrize("before", [0, 1, 8, 9])
@pytest.mark.parametrize("explain", ["", "explain "])
def test_sql_that_is_wrong_is_told_with_its_line(data: Path, before: int, explain: str) -> None:
    told = heliograph(data, "sql", explain + "\n" * before + "select nosuch from requests").stderr.splitlines()
    (shown,) = [at for at, line in enumerate(told) if line.startswith("LINE ")]
    assert told[shown].startswith(f"LINE {before + 1}:")
    assert told[shown].index("nosuch") == told[shown + 1].index("^")


def test_sql_comes_from_the_argument_or_from_standard_input(data: Path) -> None:
    statement = "select count(*) as calls, max(started_at) as newest, map(['a'], [1]) as m, null as n from requests"
    expected = [{"calls": 400, "newest": "2026-11-20T23:52:48Z", "m": {"a": 1}, "n": None}]
    assert json.loads(heliograph(data, "sql", statement, "--json").stdout) == expected
    assert json.loads(heliograph(data, "sql", "-", "--json", stdin=statement).stdout) == expected
    assert heliograph(data, "sql", statement, "--csv").stdout.splitlines()[0] == "calls,newest,m,n"


def test_views_can_be_given_to_another_duckdb(data: Path) -> None:
    text = heliograph(data, "sql", "--views").stdout
    assert all(f"create or replace view {view}" in text for view in (*TABLES, "sessions", "users"))


@pytest.mark.parametrize(
    ("arguments", "stdout"), [(("report", "models", "--json"), "[]\n"), (("tail", "--no-follow"), "")]
)
def test_an_empty_folder_is_not_a_failure_and_says_how_to_start(
    tmp_path: Path, arguments: Sequence[str], stdout: str
) -> None:
    data = tmp_path / "none"
    result = heliograph(data, *arguments)
    assert (result.exit_code, result.stdout) == (0, stdout)
    assert f"no calls yet in {data}" in result.stderr
    assert "heliograph run -- python app.py" in result.stderr
    assert not data.exists()


def test_a_window_without_calls_says_so(data: Path) -> None:
    result = heliograph(data, "report", "--since", "2026-01-01", "--until", "2026-01-02", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, [])
    assert "no calls since 2026-01-01 until 2026-01-02" in result.stderr


def test_rows_that_a_limit_cut_off_are_mentioned(data: Path) -> None:
    result = heliograph(data, "report", "requests", *SINCE, "--limit", "3", "--json")
    assert len(json.loads(result.stdout)) == 3
    assert "only the first 3 rows" in result.stderr
    result = heliograph(data, "report", "models", "--every", "hour", *SINCE, "--limit", "3", "--json")
    assert "only the newest 3 rows" in result.stderr


@pytest.fixture(scope="module")
def recent(tmp_path_factory: pytest.TempPathFactory, rows: list[RequestRow]) -> Path:
    """Calls of the last two days, whenever the tests run: examples ask for the last week, or for 30 days by default."""
    data = tmp_path_factory.mktemp("recent")
    since_then = datetime.now(UTC) - timedelta(minutes=1) - rows[-1].started_at
    settle(data, [replace(row, started_at=row.started_at + since_then) for row in rows], 1)
    return data


@pytest.mark.parametrize("verb", VERBS)
def test_every_help_has_examples_that_work(
    recent: Path, verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # an example may write a file
    assert len(examples(verb)) >= 3
    for example in examples(verb):
        before, _, command = example.rpartition("heliograph ")
        words = shlex.split(command.partition(" | ")[0].partition(" > ")[0])
        if "--follow" in words or words == ["tail"]:
            continue
        stdin = shlex.split(before)[1] if before else ""
        result = heliograph(recent, *words, stdin=stdin)
        assert result.exit_code == 0, (example, result.output)


def test_tail_shows_the_last_calls_oldest_first(data: Path, rows: list[RequestRow]) -> None:
    def ended(row: RequestRow) -> datetime:
        return row.started_at + timedelta(milliseconds=row.duration_ms or 0)

    last = sorted(rows, key=ended)[-5:]
    found = heliograph(data, "tail", "-n", "5", "--json").stdout.splitlines()
    assert [json.loads(call)["request_id"] for call in found] == [row.request_id for row in last]
    (shown,) = heliograph(data, "tail", "-n", "1").stdout.splitlines()
    assert shown.startswith(f"{ended(last[-1]):%H:%M:%S} {last[-1].provider_name}")


def test_tail_gives_each_new_call_once_whichever_file_it_is_in(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    rows = [
        RequestRow(
            request_id="0199f000-0000-7000-8000-000000000001",  # the same for all: callers may repeat theirs
            started_at=now + timedelta(milliseconds=number),
            provider_name="openai",
            operation_name="chat",
        )
        for number in range(4)
    ]
    settle(tmp_path, rows[:2], 1)
    calls = Tail(tmp_path, print)
    assert len(calls.last(1)) == 1
    assert calls.new() == []
    settle(tmp_path, rows[2:3], 1)
    assert len(calls.new()) == 1
    to_parquet(tmp_path, rows[:3], 1)
    for table in ("requests", "bodies"):
        for file in Folders(tmp_path).settled(table).iterdir():
            file.unlink()
    assert calls.new() == []
    settle(tmp_path, rows[3:], 2)
    assert len(calls.new()) == 1


def test_a_tail_line_has_a_dash_for_what_is_unknown(tmp_path: Path) -> None:
    row = RequestRow(
        request_id="0199f000-0000-7000-8000-000000000001",
        started_at=datetime(2026, 11, 21, 8, 30, tzinfo=UTC),
        provider_name="openai",
        operation_name="chat",
        status=-3,
        error_type="client_disconnected",
        user_id="ann\x1b[2J",
    )
    settle(tmp_path, [row], 1)
    (call,) = Tail(tmp_path, print).last(1)
    assert line(call).split() == [
        "08:30:00",
        "openai",
        "-",
        "-",
        "-",
        ">",
        "-",
        "-",
        "-3",
        "client_disconnected",
        "user=ann\\x1b[2J",
        row.request_id,
    ]


def test_a_tail_line_up_to_the_status_fits_an_ordinary_terminal(tmp_path: Path) -> None:
    row = RequestRow(
        request_id="0199f000-0000-7000-8000-000000000001",
        started_at=datetime(2026, 11, 21, 8, 30, tzinfo=UTC),
        provider_name="anthropic",
        operation_name="chat",
        response_model="claude-sonnet-4-5-20250929",
        status=200,
        duration_ms=12_345,
        input_tokens=9_999,
        output_tokens=1_234,
        cost_nanousd=48_507_000,
    )
    settle(tmp_path, [row], 1)
    (call,) = Tail(tmp_path, print).last(1)
    assert line(call).index(f" {row.request_id}") == 80
    assert line(call, zone_of("Asia/Tokyo")).startswith("17:30:12 anthropic")


def tail_rows() -> list[RequestRow]:
    """Calls of several users, models and projects; the last one failed."""
    told: list[dict[str, Any]] = [
        {"user_id": "ann", "session_id": "s1", "properties": {"project": "shop"}, "cache_status": "hit"},
        {"user_id": "bob", "properties": {"project": "shop"}, "response_model": "gpt-4o-mini"},
        {"provider_name": "anthropic", "request_model": "claude_x", "status": 529, "error_type": "overloaded"},
    ]
    row = replace(made_up_rows(1)[0], provider_name="openai", request_model="m", response_model=None, cache_status=None)
    row = replace(row, status=200, error_type=None, user_id=None, session_id=None, properties={})
    now = datetime.now(UTC)
    return [
        replace(row, **fields, request_id=f"0199f000-0000-7000-8000-{number:012x}", started_at=now)
        for number, fields in enumerate(told)
    ]


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ((), {0, 1, 2}),
        (("--user", "ann"), {0}),
        (("--session", "s1"), {0}),
        (("--project", "shop"), {0, 1}),
        (("--provider", "anthropic"), {2}),
        (("--errors",), {2}),
        (("--model", "GPT-4o-*"), {1}),
        (("--model", "claude_*"), {2}),
        (("--model", "claude-*"), set()),
        (("--model", "%"), set()),
        (("--project", "shop", "--user", "bob"), {1}),
        (("--errors", "--user", "ann"), set()),
    ],
)
def test_tail_shows_the_calls_that_fit_all_filters(tmp_path: Path, options: tuple[str, ...], shown: set[int]) -> None:
    settle(tmp_path, tail_rows(), 1)
    found = heliograph(tmp_path, "tail", "--json", *options).stdout.splitlines()
    assert {int(json.loads(call)["request_id"][-12:], 16) for call in found} == shown


def test_new_calls_are_filtered_too(tmp_path: Path) -> None:
    calls = Tail(tmp_path, print, Filters(user="bob"))
    assert calls.last(5) == []
    settle(tmp_path, tail_rows(), 1)
    assert [call["user_id"] for call in calls.new()] == ["bob"]


def test_a_tail_line_says_whose_the_call_is_and_where_its_answer_came_from(tmp_path: Path) -> None:
    settle(tmp_path, tail_rows(), 1)
    ann, bob, failed = sorted(Tail(tmp_path, print).last(3), key=lambda call: str(call["request_id"]))
    assert line(ann).endswith(f" 200 hit user=ann session=s1 {ann['request_id']}")
    assert line(bob).endswith(f" 200 user=bob project=shop {bob['request_id']}")
    assert line(failed).endswith(f" 529 overloaded {failed['request_id']}")
    assert "\x1b" not in line(failed)
    assert "\x1b[31m529 overloaded\x1b[0m" in line(failed, colour=True)
    assert "\x1b[32mhit\x1b[0m" in line(ann, colour=True)


@pytest.mark.parametrize(
    ("is_terminal", "environ", "shows"),
    [
        (True, {}, True),
        (True, {"NO_COLOR": ""}, True),  # empty counts as not set
        (True, {"NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
        (False, {}, False),
    ],
)
def test_colours_are_for_terminals_whose_user_wants_them(
    is_terminal: bool, environ: dict[str, str], shows: bool
) -> None:
    assert shows_colour(is_terminal, environ) is shows


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--user", "anm"), "no call has user 'anm'; did you mean 'ann'"),
        (("--project", "shpo", "--provider", "antropic"), "provider 'antropic'; did you mean 'anthropic'"),
        (("--session", "zzzz"), "no call has session 'zzzz'\n"),
    ],
)
def test_a_filter_that_no_call_fits_is_answered_with_the_nearest_name(
    tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    settle(tmp_path, tail_rows(), 1)
    done = heliograph(tmp_path, "tail", *options)
    assert (done.exit_code, done.stdout) == (0, "")
    assert says in done.stderr


def test_the_summary_of_a_run_is_about_its_calls_only(data: Path, rows: list[RequestRow]) -> None:
    chosen = rows[10:30]
    ids = [*(row.request_id for row in chosen), "not-settled-yet"]
    text = summarise(data, ids, min(row.started_at for row in chosen), 12.34)
    cost = sum(row.cost_nanousd or 0 for row in chosen) / 1e9
    slowest = max(chosen, key=lambda row: row.duration_ms or 0)
    assert text.startswith("heliograph: 20 calls, ")
    assert f"${cost:.6f}" in text
    assert f"{sum(row.input_tokens or 0 for row in chosen):,} tokens in" in text
    assert "12.3 s" in text
    assert f"{(slowest.duration_ms or 0) / 1000:.2f} s ({slowest.request_id})" in text
    assert f"{sum(row.cost_nanousd is None for row in chosen)} calls without a price" in text
    assert "1 call not settled yet" in text


def test_a_report_into_a_pipe_is_whole_lines(tmp_path: Path) -> None:
    to_parquet(tmp_path, made_up_rows(30), 1)
    command = [sys.executable, "-c", "from addon.commands.sql import sql; sql()"]
    command += ["--data", str(tmp_path), "select repeat('x', 500) as long from requests"]
    environ = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    result = subprocess.run(command, capture_output=True, text=True, env=environ, check=True)
    assert result.stdout.splitlines()[-30:] == ["x" * 500] * 30


@pytest.mark.parametrize("style", ["--json", "--csv"])
def test_sql_that_needs_too_much_memory_fails_with_a_sentence(tmp_path: Path, style: str) -> None:
    statement = "select repeat('x', 1000000) || i::varchar as long from range(5000) t(i)"
    code = "from addon.commands.sql import sql; sql()"
    command = [sys.executable, "-c", code, "--data", str(tmp_path), style, statement]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "needs more than 2 GiB of memory" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_commands_can_be_loaded_without_duckdb_and_rich() -> None:
    """`heliograph up` loads them too, and has 100 MB for everything."""
    code = "import sys, addon.commands.report, addon.commands.sql; sys.exit(any(name in sys.modules for name in ('duckdb', 'rich', 'pyarrow')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_report_shows_what_a_killed_proxy_left_in_the_journal(tmp_path: Path) -> None:
    leave_in_journal(tmp_path)
    (row,) = json.loads(heliograph(tmp_path, "report", "requests", *SINCE, "--json").stdout)
    assert (row["status"], row["error_type"]) == (503, "http_503")


def test_a_folder_that_is_half_copied_is_answered_from_what_is_whole(tmp_path: Path) -> None:
    rows = made_up_rows(60)
    (cut, empty, *_) = [*to_parquet(tmp_path, rows[:20], 1), *to_parquet(tmp_path, rows[20:30], 2)]
    cut.write_bytes(cut.read_bytes()[:1000])
    empty.write_bytes(b"")
    settle(tmp_path, rows[30:], 3)
    for options in ((), ("--where", "duration_ms > 0"), ("--compare", "previous")):
        result = heliograph(tmp_path, "report", "costs", "--since", "2026-11-19", *options, "--json")
        assert result.exit_code == 0
        assert sum(row["calls"] or 0 for row in json.loads(result.stdout)) == 30
        assert all(f"{file}: not a file of ours; left out, not deleted" in result.stderr for file in (cut, empty))


@pytest.mark.parametrize("words", [["costs"], ["costs", "--plot"], ["weekly"], ["weekly", "--json"]])
def test_an_empty_folder_is_not_told_to_look_further_back(tmp_path: Path, words: list[str]) -> None:
    result = heliograph(tmp_path, "report", *words)
    assert f"no calls yet in {tmp_path}" in result.stderr
    assert "looks further back" not in result.stderr
