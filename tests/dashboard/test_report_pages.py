"""The pages of reports, settings and SQL: what they show of hand-made rows, and that wrong input is told plainly."""

import html
import io
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import httpx
import pyarrow.parquet as pq
import pytest

from analysis.dashboard.formats import DASH
from analysis.dashboard.report_table import formatted, shown, title, token_of
from analysis.dashboard.settings import sections
from analysis.dashboard.sql_page import bars
from analysis.dashboard.view import View, read_view
from analysis.lake import view_definitions
from analysis.table import Table
from tests.analysis.writing import made_up_rows, to_parquet
from tests.dashboard.served import serving

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def view(*pairs: tuple[str, str]) -> View:
    return read_view(pairs, path="/models", zone_name="UTC", theme=None, viewer=None, now=NOW)


def test_a_row_leads_to_its_calls_and_what_is_unknown_says_why() -> None:
    table = Table(("provider_name", "response_model", "calls", "errors", "cost_usd"), [("openai", None, 3, 1, None)])
    (row,) = shown(table, view(("since", "7d"))).rows
    assert [cell.text for cell in row] == ["openai", "(none)", "3", "1", DASH]
    assert row[1].href == "/ui/requests?since=7d&provider=openai&model="
    assert row[3].href == "/ui/requests?since=7d&provider=openai&model=&error=*"
    assert row[4].why == "no call of the row has a known price"


def test_all_calls_of_a_provider_are_not_behind_a_row_of_its_errors() -> None:
    table = Table(("provider_name", "error_type", "errors", "calls"), [("openai", "server_error", 2, 10)])
    (row,) = shown(table, view()).rows
    assert row[2].href == "/ui/requests?provider=openai&error=server_error"
    assert row[3].href == "/ui/requests?provider=openai"


def test_counts_lead_to_the_calls_that_are_counted_or_nowhere() -> None:
    table = Table(("model", "calls", "errors"), [("m", 3, 1)])
    (some,) = shown(table, view(), calls_are=[("cost", "")]).rows
    (none,) = shown(table, view(), calls_are=None).rows
    assert [cell.href for cell in some[1:]] == [
        "/ui/requests?model=m&cost=",
        "/ui/requests?model=m&cost=&error=*",
    ]
    assert [cell.href for cell in none] == ["/ui/requests?model=m", None, None]


@pytest.mark.parametrize(
    "part",
    ["models/-/costs", "models/-/unpriced", "users/-/costs", "errors/-/errors", "cache/-/cache", "sessions/-/rows"],
)
def test_every_count_of_a_table_leads_to_so_many_calls(http: httpx.Client, part: str) -> None:
    rows = re.findall(r"<tr data-row.*?</tr>", http.get(f"/ui/{part}?since=90d").text, re.DOTALL)
    counts = [
        (html.unescape(query), int(count.replace(",", "")))
        for row in rows[:4]
        for query, count in re.findall(
            r'<td[^>]* class="number"[^>]*><a href="/ui/requests\?([^"]+)"[^>]*>([\d,]+)</a>', row
        )
    ]
    assert counts
    for query, count in counts:
        summary = http.get(f"/ui/requests/-/summary?{query}").text
        assert f"<b>{count:,}</b> call" in summary, query


def test_the_period_before_is_a_change_beside_the_number() -> None:
    columns = ("model", "calls", "before_calls", "calls_change_percent", "cost_usd", "before_cost_usd")
    found = shown(Table((*columns, "cost_usd_change_percent"), [("m", 12, 10, 20.0, 1.0, 1.0, 0.0)]), view())
    assert [column.name for column in found.columns] == ["model", "calls", "cost_usd"]
    assert [cell.change for cell in found.rows[0]] == [None, "+20%", None]


def test_every_number_leads_to_the_calls_that_it_is_about() -> None:
    columns = ("model", "calls", "cost_usd", "unpriced", "hits", "retried", "by_fallback", "good")
    (row,) = shown(Table(columns, [("m", 9, 0.5, 2, 3, 0, 1, 4)]), view()).rows
    leads = [cell.href and cell.href.removeprefix("/ui/requests?model=m") for cell in row[1:]]
    assert leads == ["", "", "&cost=", "&cache=hit", None, "&fallback=yes", "&feedback=good"]
    assert [cell.repeats for cell in row] == [False, False, True, False, False, False, False, False]


def test_a_column_that_does_not_tell_rows_apart_is_not_a_filter_of_its_numbers() -> None:
    table = Table(("client", "command", "calls"), [("OpenAI/Python", "agent", 3)])
    (row,) = shown(table, view(), by=["program"], keys=["program"]).rows
    assert [cell.href and cell.href.removeprefix("/ui/requests?") for cell in row] == [
        "program=OpenAI/Python",
        "command=agent",
        "program=OpenAI/Python",
    ]


def test_a_day_of_a_row_is_the_window_of_its_calls() -> None:
    table = Table(("user", "day", "value"), [("ada", date(2026, 11, 20), 8), (None, date(2026, 11, 21), 9)])
    one, all_calls = shown(table, view(("since", "7d")), none_is_all=True).rows
    assert one[0].href == "/ui/requests?since=2026-11-20&until=2026-11-21&user=ada"
    assert (all_calls[0].text, all_calls[2].href) == ("all calls", "/ui/requests?since=2026-11-21&until=2026-11-22")


@pytest.mark.parametrize(
    ("user", "leads", "text"), [("a*", "a%5C*", "a*"), ("", "%22%22", "(empty)"), (None, "", "(none)")]
)
def test_a_name_leads_to_the_calls_of_that_name_alone(user: str | None, leads: str, text: str) -> None:
    (row,) = shown(Table(("user_id", "calls"), [(user, 1)]), view()).rows
    assert (row[0].text, row[0].href) == (text, f"/ui/requests?user={leads}")


def test_more_rows_than_are_shown_are_said() -> None:
    table = Table(("model", "calls"), [(str(number), number) for number in range(5)])
    assert (len(shown(table, view(), most=4).rows), shown(table, view(), most=4).is_cut) == (4, True)
    assert not shown(table, view(), most=5).is_cut


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("cost_usd", 0.0000051, "$0.0000051"),
        ("cost_usd", 1234.5, "$1,234"),
        ("p95_ms", 1500, "1.50 s"),
        ("hit_rate", 0.125, "12%"),
        ("request_bytes", 2048, "2.0 kB"),
        ("is_stream", True, "yes"),
        ("calls", 12345, "12,345"),
    ],
)
def test_a_value_is_shown_by_the_unit_in_its_name(name: str, value: object, text: str) -> None:
    assert formatted(name, value) == text


def test_titles_are_words() -> None:
    assert [title(name) for name in ("last_call_at", "cost_usd", "property:feature", "lost_usd")] == [
        "Last call",
        "Cost",
        "feature",
        "Extra cost",
    ]
    assert (token_of("session_id"), token_of("calls"), token_of("property:x")) == ("session", None, "property:x")


def test_bars_are_drawn_of_a_name_and_a_number_and_of_nothing_else() -> None:
    found = bars([{"name": "a", "calls": 2}, {"name": None, "calls": 1}, {"name": "c", "calls": None}])
    assert [(bar.name, bar.text, bar.width) for bar in found] == [("a", "2", 100), ("(none)", "1", 50), ("c", "", 0)]
    assert not bars([{"name": "a", "calls": -1}, {"name": "b", "calls": 1}])
    assert not bars([{"calls": 1}, {"calls": 2}])
    assert not bars([])


def test_settings_say_where_each_value_comes_from_and_hide_what_is_secret() -> None:
    table = {
        "cache": {"max_bytes": 5},
        "upstreams": {"openai": "http://127.0.0.1:1"},
        "webhooks": [{"url": "https://example.org", "secret": "hush"}],
        "keys": {"laptop": {"hash": "sha256:hush", "roles": ["read"]}},
        "alerts": [{"name": "spending", "when": "spend", "at_least": 20, "to": ["https://hooks.example.org/hush"]}],
        "smtp": {"host": "mail.example.org", "sender": "a@example.org", "password": "hush"},
        "fallbacks": [{"model": "m", "headers": {"Authorization": "Bearer hush"}}],
    }
    found = {section.title: section for section in sections(table)}
    (size,) = found["[cache]"].settings
    assert (size.key, size.value, size.source) == ("max_bytes", "5", "file")
    assert {setting.source for setting in found["[timeouts]"].settings} == {"default"}
    assert found["[upstreams]"].settings[0].value == '"http://127.0.0.1:1"'
    assert found["[[limits]]"].settings == () and "There are none" in found["[[limits]]"].meaning
    assert "hush" not in str(found)
    assert found["[keys.laptop]"].settings[1].value == '["read"]'


def test_an_alert_of_a_persons_sql_is_shown_with_and_without_a_value(tmp_path: Path) -> None:
    (tmp_path / "rare.sql").write_text("select 'team' as subject, 0.125 as value union all select 'nobody', null")
    (tmp_path / "heliograph.toml").write_text(
        '[[alerts]]\nname = "rare"\nsql = "rare.sql"\nat_least = 2\nto = ["https://hooks.example.org/x"]'
    )
    with serving(tmp_path) as url:
        text = httpx.get(f"{url}/ui/alerts/-/states", timeout=60).text
    assert len(re.findall(r"<tr data-row", text)) == 2
    assert "rare.sql" in text and "0.125" in text and "no calls to measure" in text


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("selec 1", "syntax error"),
        ("select modl from requests", "modl"),
        ("drop table requests", "read-only"),
        ("copy (select 1) to '/tmp/x.csv'", "read-only"),
        ("select * from read_text('/etc/passwd')", "disabled"),
        ("select 1; select 2", "one statement at a time"),
        ("select '<script>alert(1)</script>' as x", "&lt;script&gt;"),
        ("select * from requests where false", "No rows"),
    ],
)
def test_sql_is_read_only_and_its_mistakes_are_told(http: httpx.Client, sql: str, told: str) -> None:
    answer = http.get("/ui/sql/-/answer", params={"q": sql}, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert told in answer.text
    assert "<script>alert" not in answer.text


@pytest.mark.parametrize(
    "query", ["sort=nothing", "sort=-%22%3B%20drop", "by=nonsense", "name=%00", "compare=7", "sort=calls&sort=errors"]
)
def test_an_address_that_makes_no_sense_still_shows_the_page(http: httpx.Client, query: str) -> None:
    for path in ("/ui/models", "/ui/models/-/costs", "/ui/properties", "/ui/properties/-/values"):
        assert http.get(f"{path}?{query}", headers={"HX-Request": "true"}).status_code == 200


@pytest.mark.parametrize("path", ["/ui/overview/-/over-time", "/ui/models/-/costs", "/ui/users/-/costs?compare=1"])
def test_what_a_part_shows_can_be_had_as_a_file(http: httpx.Client, path: str) -> None:
    join = "&" if "?" in path else "?"
    csv = http.get(f"{path}{join}as=csv&since=90d")
    assert csv.headers["content-disposition"].endswith('.csv"')
    lines = http.get(f"{path}{join}as=jsonl&since=90d").text.splitlines()
    assert len(csv.text.splitlines()) == len(lines) + 1 > 2
    parquet = pq.read_table(io.BytesIO(http.get(f"{path}{join}as=parquet&since=90d").content))
    assert parquet.num_rows == len(lines)


def test_the_sql_of_a_part_runs_on_the_printed_views(http: httpx.Client, demo: Path) -> None:
    sql = http.get("/ui/models/-/costs?as=sql&since=90d&user=ada").text
    with duckdb.connect() as connection:
        connection.execute(view_definitions(demo))
        rows = connection.execute(sql).fetchall()
    shown = http.get("/ui/models/-/costs?as=jsonl&since=90d&user=ada").text.splitlines()
    assert len(rows) == len(shown) > 0


def test_calls_of_a_clock_that_was_ahead_are_named_where_they_are_not_drawn(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    rows = made_up_rows(3)
    ahead = [replace(row, started_at=now + timedelta(days=800), request_id=row.request_id[::-1]) for row in rows]
    to_parquet(tmp_path, [*(replace(row, started_at=now - timedelta(hours=1)) for row in rows), *ahead], 1)
    part, until = "ui/overview/-/over-time", (now + timedelta(days=2)).date()
    with serving(tmp_path) as address:
        assert "3 calls dated later than now" in httpx.get(f"{address}/{part}").text
        assert "dated later than now" not in httpx.get(f"{address}/{part}", params={"until": f"{until}"}).text
