"""Alerts over a real data folder, told to a real HTTP receiver and a real mail server."""

import asyncio
import dataclasses
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP

from addon.config.alerts import Alert, Condition, Smtp
from addon.config.settings import Settings
from addon.limits.rules import Budget
from addon.limits.store import Contents
from addon.storage.record import RequestRow
from analysis.alerts.message import GIVEN_UP_AFTER_S, told, wait_s
from analysis.alerts.readings import Reading
from analysis.alerts.standing import AlertNow, alerts_now
from analysis.alerts.store import Firing
from analysis.alerts.watch import AlertWatch, change_of
from analysis.lake import Lake
from tests.analysis.writing import made_up_rows, settle
from tests.serving import QuietHandler, serving

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DOLLAR = 1_000_000_000


class Taken:
    """What a receiver was told; `statuses` are answered first, then 200."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.statuses: list[int] = []
        self.url = ""


@pytest.fixture
def receiver() -> Iterator[Taken]:
    taken = Taken()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            taken.messages.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(taken.statuses.pop(0) if taken.statuses else 200)
            self.send_header("content-length", "0")
            self.end_headers()

    with serving(Handler) as taken.url:
        yield taken


@contextmanager
def mail_server(statuses: Sequence[str] = ()) -> Iterator[tuple[int, list[Any]]]:
    """Its port, and the mails that it took; it first answers with `statuses`."""
    refusals, mails = list(statuses), list[Any]()

    class Inbox:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            if refusals:
                return refusals.pop(0)
            mails.append(envelope)
            return "250 taken"

    loop = asyncio.new_event_loop()
    starting = loop.create_server(lambda: SMTP(Inbox(), loop=loop, hostname="mail.test"), "127.0.0.1", 0)
    server = loop.run_until_complete(starting)
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1], mails
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.run_until_complete(server.wait_closed())
        loop.close()


def alert(to: str | Sequence[str], condition: Condition | None = "spend", **more: Any) -> Alert:
    recipients = (to,) if isinstance(to, str) else tuple(to)
    return Alert(**{"name": "spending", "condition": condition, "at_least": 20.0, "to": recipients} | more)


def settings(data: Path, *alerts: Alert, **more: Any) -> Settings:
    return Settings(data=data, config=data / "heliograph.toml", alerts=alerts, **more)


def calls(at: datetime, count: int, usd: float | None, *, first: int = 0, **more: Any) -> list[RequestRow]:
    """Calls that began at `at` and cost `usd` together."""
    each = None if usd is None else round(usd * DOLLAR / count)
    rows = made_up_rows(first + count)[first:]
    fields = {"started_at": at, "cost_nanousd": each, "error_type": None, "cache_status": None}
    return [dataclasses.replace(row, **(fields | more)) for row in rows]


def step(of: Settings, now: datetime) -> None:
    """One look of a process that has just started: what it knows is what was kept."""
    asyncio.run(AlertWatch(of, clock=now.timestamp).step(now.timestamp()))


def states(receiver: Taken) -> list[tuple[str, str]]:
    return [(each["alert"], each["state"]) for each in receiver.messages]


def test_an_alert_is_told_once_when_it_begins_and_once_when_it_is_over_over_restarts(
    tmp_path: Path, receiver: Taken
) -> None:
    of = settings(tmp_path, alert(receiver.url))
    settle(tmp_path, calls(NOW - timedelta(minutes=10), 4, 19.5), 1)
    step(of, NOW)
    assert receiver.messages == []
    settle(tmp_path, calls(NOW, 1, 1.0, first=10), 2)
    for minutes in (1, 2, 3):
        step(of, NOW + timedelta(minutes=minutes))
    assert states(receiver) == [("spending", "firing")]
    assert receiver.messages[0]["value"] == 20.5
    assert receiver.messages[0]["text"] == "heliograph: spending: 20.5 USD; the alert is for 20 and more"
    for minutes in (55, 56, 90):  # the first calls leave the window of an hour
        step(of, NOW + timedelta(minutes=minutes))
    assert states(receiver) == [("spending", "firing"), ("spending", "resolved")]
    assert receiver.messages[1]["since"] == "2026-11-21T12:01:00Z"


def test_a_message_that_nobody_takes_is_tried_again_and_never_doubled(tmp_path: Path, receiver: Taken) -> None:
    of = settings(tmp_path, alert(receiver.url))
    settle(tmp_path, calls(NOW, 4, 50), 1)
    receiver.statuses = [500, 503]
    for seconds in (1, 3, 7, 30, 40, 50, 300):
        step(of, NOW + timedelta(seconds=seconds))
    assert len(receiver.messages) == 3  # two refused, one taken
    (now,) = standing(of, NOW + timedelta(seconds=301))
    assert (now.state, now.problem) == ("fires", None)


def test_a_message_is_given_up_after_a_day_and_that_is_shown(tmp_path: Path) -> None:
    of = settings(tmp_path, alert("http://127.0.0.1:1/hook", window_s=3 * 86_400))
    settle(tmp_path, calls(NOW, 4, 50), 1)
    step(of, NOW + timedelta(seconds=1))
    (now,) = standing(of, NOW + timedelta(seconds=2))
    assert now.problem is not None and now.problem.endswith("; trying again")
    step(of, NOW + timedelta(seconds=GIVEN_UP_AFTER_S + 60))
    (now,) = standing(of, NOW + timedelta(seconds=GIVEN_UP_AFTER_S + 61))
    assert now.problem is not None and now.problem.endswith("; given up")
    assert "/hook" not in now.problem  # it may be a secret
    assert wait_s(99, 60.0) == 3600.0


def test_two_proxies_on_one_folder_tell_once(tmp_path: Path, receiver: Taken) -> None:
    of = settings(tmp_path, alert(receiver.url))
    settle(tmp_path, calls(NOW, 4, 50), 1)
    for milliseconds in (0, 1, 2):
        step(of, NOW + timedelta(seconds=1, milliseconds=milliseconds))
    assert len(receiver.messages) == 1


def test_each_recipient_has_its_form(tmp_path: Path, receiver: Taken, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAT_URL", f"slack+{receiver.url}")
    settle(tmp_path, calls(NOW, 4, 50, user_id="<a&b>"), 1)
    with mail_server() as (port, mails):
        smtp = Smtp(host="127.0.0.1", port=port, sender="heliograph@example.org", tls="none")
        own = tmp_path / "users.sql"
        own.write_text("select user_id as subject, sum(cost_usd) as value from calls group by all")
        of = settings(
            tmp_path,
            alert([receiver.url, "$CHAT_URL", "mailto:ops@example.org"], None, sql="users.sql"),
            smtp=smtp,
        )
        step(of, NOW + timedelta(seconds=1))
    shapes = {tuple(sorted(message)) for message in receiver.messages}
    assert shapes == {
        ("text",),
        ("alert", "at", "at_least", "since", "state", "subject", "text", "unit", "value", "window_s"),
    }
    (slack,) = [message for message in receiver.messages if len(message) == 1]
    assert slack["text"] == "heliograph: spending, &lt;a&amp;b&gt;: 50; the alert is for 20 and more"
    (mail,) = mails
    assert mail.rcpt_tos == ["ops@example.org"]
    assert b"Subject: heliograph: spending, <a&b>: 50" in mail.content


def test_a_mail_server_that_is_away_or_refuses_gets_the_mail_later(tmp_path: Path) -> None:
    settle(tmp_path, calls(NOW, 4, 50), 1)
    with mail_server(["451 later"]) as (port, mails):
        smtp = Smtp(host="127.0.0.1", port=port, sender="heliograph@example.org", tls="none")
        of = settings(tmp_path, alert("mailto:ops@example.org"), smtp=smtp)
        step(of, NOW + timedelta(seconds=1))
        (now,) = standing(of, NOW + timedelta(seconds=2))
        assert now.problem == "ops@example.org did not take a message: the mail server answered 451; trying again"
        step(of, NOW + timedelta(seconds=20))
    assert len(mails) == 1


@pytest.mark.parametrize(
    ("condition", "at_least", "rows", "value"),
    [
        ("error_rate", 0.25, [(6, {}), (4, {"error_type": "rate_limited"})], 0.4),
        ("error_rate", 0.25, [(1, {}), (4, {"error_type": "rate_limited"})], None),  # too few calls to tell
        ("latency", 900, [(18, {"duration_ms": 100}), (2, {"duration_ms": 1000})], 1000.0),
        ("unpriced", 1, [(3, {}), (2, {"cost_nanousd": None})], 2.0),
        ("spend", 1, [(3, {"cost_nanousd": None})], None),  # unknown is not 0
    ],
)
def test_each_condition_measures_what_it_says(
    tmp_path: Path, condition: Condition, at_least: float, rows: list[tuple[int, dict[str, Any]]], value: float | None
) -> None:
    first = 0
    for number, (count, fields) in enumerate(rows):
        settle(tmp_path, calls(NOW, count, 0.001, first=first, **fields), number)
        first += count
    of = settings(tmp_path, alert("https://example.org", condition, at_least=at_least, min_calls=10))
    (now,) = standing(of, NOW + timedelta(seconds=1))
    assert now.value == value


def test_a_budget_at_its_share_fires_for_each_group(tmp_path: Path, receiver: Taken) -> None:
    budgets = (Budget(name="team", usd=Decimal(100), period="month", per="user"),)
    of = settings(tmp_path, alert(receiver.url, "budget", name="month", at_least=0.8), budgets=budgets)
    settle(tmp_path, calls(NOW, 2, 79, user_id="ada"), 1)
    settle(tmp_path, calls(NOW, 2, 81, first=9, user_id="grace"), 2)
    step(of, NOW + timedelta(seconds=1))
    assert [(each["subject"], each["value"]) for each in receiver.messages] == [("team, user grace", 0.81)]


def test_where_leaves_out_the_other_calls(tmp_path: Path) -> None:
    settle(tmp_path, calls(NOW, 2, 30, user_id="ada"), 1)
    settle(tmp_path, calls(NOW, 2, 5, first=9, user_id="grace"), 2)
    of = settings(tmp_path, alert("https://example.org", where="user_id = 'grace'"))
    (now,) = standing(of, NOW + timedelta(seconds=1))
    assert (now.value, now.state) == (5.0, "quiet")


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("select 1 as total", "its answer has no column value; it has total"),
        ("select 'much' as value", "its column value is not a number: 'much'"),
        ("select i as subject, i as value from range(101) r(i)", "its answer has more than 100 subjects"),
        ("create table x as select 1", "CREATE is not allowed"),
        ("selec 1", "Parser Error"),
        (None, "No such file or directory"),
    ],
)
def test_a_condition_that_cannot_be_asked_says_why_and_what_fired_goes_on(
    tmp_path: Path, sql: str | None, problem: str, receiver: Taken, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "own.sql"
    file.write_text("select 30 as value")
    of = settings(tmp_path, alert(receiver.url, None, sql="own.sql"))
    settle(tmp_path, calls(NOW, 1, 1), 1)
    step(of, NOW)
    file.write_text(sql) if sql else file.unlink()
    step(of, NOW + timedelta(minutes=2))
    assert states(receiver) == [("spending", "firing")]
    assert "the alert spending cannot be checked" in capfd.readouterr().err
    (now,) = standing(of, NOW + timedelta(minutes=2))
    assert now.state == "unreadable"
    assert now.problem is not None and problem in now.problem


def test_an_alert_that_left_the_settings_is_forgotten(tmp_path: Path, receiver: Taken) -> None:
    settle(tmp_path, calls(NOW, 1, 30), 1)
    step(settings(tmp_path, alert(receiver.url)), NOW)
    step(settings(tmp_path, alert(receiver.url, name="other", at_least=99.0)), NOW + timedelta(minutes=2))
    step(settings(tmp_path, alert(receiver.url)), NOW + timedelta(minutes=4))
    assert states(receiver) == [("spending", "firing"), ("spending", "firing")]  # it began anew


def test_a_value_at_the_threshold_fires_and_a_subject_without_a_reading_is_over() -> None:
    of = alert("https://example.org", at_least=1.0)
    change = change_of(of, [Firing("spending", "gone", 5.0, 2.0)], [Reading("a", 1.0), Reading("b", 0.99)], 10.0)
    assert [each.subject for each in change.begun] == ["a"]
    assert list(change.over) == ["gone"]


def test_hostile_names_cannot_add_a_header_to_a_mail() -> None:
    message = told(alert("mailto:a@b"), "firing", "x\r\nBcc: all@example.org", 30.0, "now", "now")
    mail = message.as_mail("heliograph@example.org", "ops@example.org")
    assert mail["Bcc"] is None
    assert "\n" not in str(mail["Subject"])


def standing(of: Settings, now: datetime) -> list[AlertNow]:
    return Lake(of.data).ask(lambda connection: alerts_now(connection, of, Contents(), now))
