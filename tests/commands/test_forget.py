"""What `heliograph forget` deletes, looked for in the bytes of every file of the data folder."""

import itertools
import json
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from addon.caching.store import CacheStore, Stored
from addon.commands.cli import main
from addon.commands.forget import Clocks, forget_calls
from addon.commands.forget_pass import Wanted
from addon.limits.policy import Policy
from addon.limits.store import BucketCharge, LimitStore, Spend
from addon.settling.chains import Chains, Link
from addon.settling.charged_once import ChargedOnce
from addon.settling.merge import merge_day
from addon.storage import dead_letters
from addon.storage.folders import Folders
from addon.storage.journal import Journal
from addon.storage.record import FeedbackRow, PropertyChangeRow, ScoreRow
from analysis.alerts.message import Told
from analysis.alerts.store import AlertStore, Change, Firing
from analysis.lake import Lake
from analysis.webhooks.queue import Queue
from tests.settling.test_crashes import STEPS, survives
from tests.storage.calls import DAY_US, NOON, NOON_US, OK, call_start, settle_all

ANN: Final = "ann.aalto@example.org"
NOW: Final = NOON.timestamp() + 3600
MINUTE: Final = timedelta(minutes=1)


def request_id(number: int) -> str:
    return f"0199a3f2-7c1e-7b3a-9d2f-{number:012x}"


def journal_call(journal: Journal, number: int, user: str, started_at_us: int = NOON_US) -> None:
    """A call whose user is named in its row, its properties and its bodies."""
    call_id = f"call-{number}"
    start = replace(
        call_start(call_id, started_at_us + number),
        request_id=request_id(number),
        user_id=user,
        session_id=f"session of {user}",
        properties={"mail": user, "feature": "chat"},
    )
    journal.start(call_id, start)
    journal.piece(call_id, "request", f"I am {user}".encode())
    journal.piece(call_id, "response", f"Hello {user}".encode())
    journal.end(call_id, OK, final=True)
    journal.tell(
        [
            FeedbackRow(request_id=request_id(number), created_at=NOON + MINUTE, rating=True),
            ScoreRow(request_id=request_id(number), created_at=NOON + MINUTE, name=f"by {user}", value=1.0),
            PropertyChangeRow(request_id=request_id(number), created_at=NOON + MINUTE, name="owner", value=user),
        ]
    )


def settled_run(data: Path, *calls: tuple[int, str, int]) -> None:
    run = Journal(Folders(data).journal)
    run.open()
    for number, user, started_at_us in calls:
        journal_call(run, number, user, started_at_us)
    run.close()
    settle_all(data).clean_up()


def filled(data: Path) -> None:
    """A data folder of a proxy that was killed: calls of two users in merged files, in single files and in the journal."""
    folders = Folders(data)
    settled_run(data, (1, ANN, NOON_US), (2, "bob", NOON_US), (3, ANN, NOON_US - DAY_US))
    settled_run(data, (4, ANN, NOON_US))
    for table in ("requests", "bodies", "scores"):
        merge_day(folders, table, NOON.date())  # within its grace: the replaced files are still there
    settled_run(data, (5, ANN, NOON_US), (6, "bob", NOON_US))
    _fill_stores(folders)
    journal = Journal(folders.journal)
    journal.open()
    journal_call(journal, 7, ANN)
    journal_call(journal, 8, "bob")
    journal.close()


def _fill_stores(folders: Folders) -> None:
    cache = CacheStore(folders.cache)
    for number, user in ((1, ANN), (2, "bob")):
        answer = Stored(
            status=200,
            headers=((b"content-type", b"text/plain"),),
            chunks=(f"Hello {user}".encode(),),
            latency_ms=5,
            request_id=request_id(number),
            started_at_us=NOON_US + number,
        )
        assert cache.put([f"key {number}"], answer, now=NOW, max_age_s=3600, seed=user)
    cache.close()

    limits = LimitStore(folders.limits)
    policy = Policy(quota=10, window_s=3600, unit="tokens")
    for user in (ANN, "bob"):
        charges = [
            BucketCharge(f"server|daily|{user}|tokens", policy, 3),
            BucketCharge(f"0a|user|{user}|tokens", policy, 3),
        ]
        limits.settle(f"call of {user}", charges, [Spend(f"budget|team|{user}", "2026-11", 5)], NOW)
    limits.close()

    chains = Chains(folders.chains)
    for user in (ANN, "bob"):
        chains.session(Link("openai", None, f"resp of {user}", f"session of {user}", None))
    chains.close()
    charged = ChargedOnce(folders.charged)
    assert charged(f"batch of {ANN}", request_id(1)) and charged("batch of bob", request_id(2))
    charged.close()

    queue = Queue(folders.webhooks)
    queue.take_in([(f"https://example.org/{number}", request_id(number), NOON_US + number) for number in (1, 2)], NOW)
    queue.close()
    for number, user in ((1, ANN), (2, "bob")):
        dead_letters.append(folders.dead_letters, {"request_id": request_id(number), "message": f"I am {user}"})

    alerts = AlertStore(folders.alerts)
    for user in (ANN, "bob"):
        told = Told(
            alert="spending",
            state="firing",
            subject=user,
            value=2.0,
            at_least=1.0,
            unit="USD",
            window_s=60,
            since="",
            at="",
        )
        fires = Firing("spending", user, NOW, 2.0)
        alerts.take_over(Change("spending", begun=[fires], messages=[("ops@example.org", told)]), None, NOW)
    alerts.close()


def forget(data: Path, wanted: Wanted = Wanted(user=ANN)) -> None:
    forget_calls(data, None, wanted, is_agreed=True, shows_name=False, clocks=Clocks(lambda: NOW, _nothing_to_wait_for))


def _nothing_to_wait_for(seconds: float) -> None:
    raise AssertionError("no proxy is at work")


def traces(data: Path, name: str = ANN) -> list[str]:
    """The files that have the name in their bytes, or in their values once these are decompressed."""
    return [str(path.relative_to(data)) for path in sorted(data.rglob("*")) if path.is_file() and name in _text(path)]


def _text(path: Path) -> str:
    text = f"{path.name} {path.read_bytes().decode('latin-1')}"
    return text + (str(pq.read_table(path).to_pylist()) if path.suffix == ".parquet" else "")


def users(data: Path) -> list[Any]:
    rows = Lake(data).ask(lambda lake: lake.execute("select request_id, user_id from requests order by all").fetchall())
    return [(int(request[-4:], 16), user) for request, user in rows]


def rows(data: Path, table: str) -> int:
    (found,) = Lake(data).ask(lambda lake: lake.execute(f"select count(*) from {table}").fetchall())
    return int(found[0])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    filled(tmp_path / "data")
    return tmp_path / "data"


def test_nothing_of_a_user_is_left_in_any_file_and_all_of_others(data: Path) -> None:
    stores = {
        "cache.sqlite",
        "limits.sqlite",
        "chains.sqlite",
        "charged.sqlite",
        "webhooks-dead.jsonl",
        "alerts.sqlite",
    }
    assert stores <= {Path(trace).name.removesuffix("-wal") for trace in traces(data)}
    forget(data)
    assert traces(data) == []
    assert users(data) == [(2, "bob"), (6, "bob"), (8, "bob")]
    for table in ("bodies", "all_feedback", "all_scores", "all_property_changes"):
        assert rows(data, table) == 3, table
    folders = Folders(data)
    assert CacheStore(folders.cache).calls() == {request_id(2)}
    assert ChargedOnce(folders.charged).calls() == {request_id(2)}
    assert Chains(folders.chains).links() == {"openai resp of bob": "session of bob"}
    assert Queue(folders.webhooks).calls() == {request_id(2)}
    assert dead_letters.calls(folders.dead_letters) == {request_id(2)}
    assert [each.subject for each in AlertStore(folders.alerts).firing()] == ["bob"]
    limits = LimitStore(folders.limits)
    assert set(limits.contents(NOW).buckets) == {"server|daily|bob|tokens", "0a|user|bob|tokens"}
    assert limits.spent([("budget|team|bob", "2026-11"), (f"budget|team|{ANN}", "2026-11")]) == [5, 0]
    assert not folders.lake_day("requests", (NOON - timedelta(days=1)).date()).exists(), "an empty day"


KILLED_BEFORE: Final = STEPS | {"executemany"}


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forget_killed_at_any_step_is_finished_by_the_next_one(
    data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for step in itertools.count():
        copy = tmp_path / str(step)
        shutil.copytree(data, copy)
        done = survives(partial(forget, copy), step, KILLED_BEFORE)
        assert [row for row in users(copy) if row[1] == "bob"] in (
            [(2, "bob"), (6, "bob")],
            [(2, "bob"), (6, "bob"), (8, "bob")],
        )
        forget(copy)
        assert traces(copy) == [], f"after step {step}"
        assert users(copy) == [(2, "bob"), (6, "bob"), (8, "bob")], f"after step {step}"
        assert rows(copy, "bodies") == rows(copy, "all_feedback") == 3, f"after step {step}"
        shutil.rmtree(copy)
        capfd.readouterr()
        if done:
            break
    assert step > 50, "the hook sees the steps"
