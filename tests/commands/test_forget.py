"""What `heliograph forget` deletes, looked for in the bytes of every file of the data folder."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from addon.caching.sqlite_store import SqliteCache
from addon.caching.store import Stored
from addon.commands.cli import main
from addon.commands.forget import Clocks, forget_calls
from addon.commands.forget_expired import forget_expired
from addon.commands.forget_pass import PATIENCE_S, Found, Wanted, find, remove
from addon.commands.options import Failure
from addon.config.settings import load
from addon.config.stores import open_stores
from addon.limits.policy import Policy
from addon.limits.sqlite_store import SqliteLimits
from addon.limits.store import BucketCharge, Spend
from addon.redaction.key import redactor_of
from addon.settling.chains import Chains, Link
from addon.settling.charged_once import ChargedOnce
from addon.settling.merge import merge_day
from addon.storage import dead_letters
from addon.storage.folders import Folders
from addon.storage.journal import Journal
from addon.storage.record import FeedbackRow, PropertyChangeRow, ScoreRow
from analysis.alerts.message import Told
from analysis.alerts.store import AlertStore, Change, Firing
from analysis.health.data_folder import data_findings
from analysis.lake import Lake
from analysis.webhooks.queue import Queue
from tests.settling.kills import STEPS, left_by_kills
from tests.storage.calls import DAY_US, NOON, NOON_US, OK, call_start, settle_all

ANN: Final = "ann.aalto@example.org"
NOW: Final = NOON.timestamp() + 3600
WANTED: Final = Wanted(user=ANN)
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
    cache = SqliteCache(folders.cache)
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

    limits = SqliteLimits(folders.limits)
    policy = Policy(quota=Decimal(10), window_s=3600, unit="tokens")
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
    spans = Queue(folders.otlp)
    spans.take_in([("https://example.org", request_id(number), NOON_US + number) for number in (1, 2)], NOW)
    spans.close()
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


def forget(data: Path, wanted: Wanted = WANTED) -> None:
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
    assert SqliteCache(folders.cache).calls() == {request_id(2)}
    assert ChargedOnce(folders.charged).calls() == {request_id(2)}
    assert Chains(folders.chains).links() == {"openai resp of bob": "session of bob"}
    assert Queue(folders.webhooks).calls() == Queue(folders.otlp).calls() == {request_id(2)}
    assert dead_letters.calls(folders.dead_letters) == {request_id(2)}
    assert [each.subject for each in AlertStore(folders.alerts).firing()] == ["bob"]
    limits = SqliteLimits(folders.limits)
    assert set(limits.contents(NOW).buckets) == {"server|daily|bob|tokens", "0a|user|bob|tokens"}
    assert limits.spent([("budget|team|bob", "2026-11"), (f"budget|team|{ANN}", "2026-11")]) == [5, 0]
    assert not folders.lake_day("requests", (NOON - timedelta(days=1)).date()).exists(), "an empty day"


@pytest.mark.long
def test_what_a_killed_forget_leaves_is_removed_by_the_next_one(tmp_path: Path) -> None:
    template = Folders(tmp_path / "template")
    settled_run(template.data, (1, ANN, NOON_US), (2, "bob", NOON_US), (3, ANN, NOON_US))
    merge_day(template, "requests", NOON.date())
    _fill_stores(template)
    found = find(template, Lake(template.data), WANTED)

    def forget_all(data: Path) -> None:
        remove_all(Folders(data), found)

    for step, data in left_by_kills(forget_all, template.data, tmp_path, STEPS | {"executemany"}):
        folders = Folders(data)
        assert users(data)[-2:-1] == [(2, "bob")] or users(data) == [(2, "bob")], f"before step {step}"
        remove_all(folders, find(folders, Lake(data), WANTED))
        assert traces(data) == [], f"before step {step}"
        assert users(data) == [(2, "bob")], f"before step {step}"
    assert step > 50, "the hook sees the steps"


def remove_all(folders: Folders, found: Found) -> None:
    remove(folders, open_stores(load(folders.data), {}, patience_s=PATIENCE_S), found, lambda: None)


def command(data: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["forget", "--data", str(data), *options])


def test_without_a_terminal_and_without_yes_nothing_is_deleted(data: Path) -> None:
    before = users(data)
    result = command(data, "--user", ANN)
    assert result.exit_code == 2
    assert "2026-11-20 to 2026-11-21 (5 without a price)" in result.stderr
    assert "requests                    5" in result.stderr
    assert "--yes deletes without asking" in result.stderr
    assert users(data) == [*before, (7, ANN), (8, "bob")], "they were settled, to be shown"
    assert not Folders(data).receipts.exists()


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (["--session", f"session of {ANN}"], {"bob"}),
        (["--property", f"Owner={ANN}"], {"bob"}),  # a property that was set after the call
        (["--where", "user_id = 'bob' or model = 'gpt-5'"], {ANN}),
        (["--user", ANN, "--property", "mail=bob"], {ANN, "bob"}),
    ],
)
def test_calls_are_chosen_by_all_that_is_given(data: Path, options: list[str], left: set[str]) -> None:
    result = command(data, *options, "--yes")
    assert result.exit_code == 0, result.output
    assert {user for _, user in users(data)} == left


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "say which calls: --user, --session, --property NAME=VALUE, --where CONDITION or --expired"),
        (["--user", " "], "--user is empty; it would be about every call"),
        (["--property", "mail"], "--property 'mail': write NAME=VALUE, e.g. customer=acme"),
        (["--where", "usr = 'a'"], "--where: \"usr = 'a'\" is not a condition: there is no column 'usr'"),
    ],
)
def test_a_condition_that_is_none_is_wrong_usage(tmp_path: Path, options: list[str], said: str) -> None:
    result = command(tmp_path, *options, "--yes")
    assert result.exit_code == 2
    assert said in result.stderr


def test_the_receipt_has_counts_and_a_hash_in_place_of_the_name_unless_it_is_wanted(data: Path) -> None:
    result = command(data, "--user", ANN, "--yes")
    (path,) = Folders(data).receipts.iterdir()
    receipt = json.loads(path.read_text())
    assert receipt == json.loads(result.stdout)
    assert receipt["state"] == "done"
    assert receipt["removed"] == {"requests": 5, "bodies": 5, "feedback": 5, "scores": 5, "property_changes": 5}
    assert receipt["removed_beside"]["cached answers"] == 1
    assert (receipt["first_day"], receipt["last_day"]) == ("2026-11-20", "2026-11-21")
    assert receipt["condition"] is None
    command(data, "--user", ANN, "--yes", "--name-in-receipt")
    receipts = [json.loads(path.read_text()) for path in Folders(data).receipts.iterdir()]
    assert len(receipts) == 2
    assert {each["condition_hash"] for each in receipts} == {receipt["condition_hash"]}
    assert f"user_id = '{ANN}'" in {each["condition"] for each in receipts}


def test_a_user_is_found_under_the_pseudonym_that_redaction_made(tmp_path: Path) -> None:
    (tmp_path / "heliograph.toml").write_text("[redact]\nusers = true\n")
    redactor = redactor_of(load(tmp_path).redact, tmp_path)
    assert redactor
    settled_run(tmp_path, (1, redactor.user("ann"), NOON_US), (2, redactor.user("bob"), NOON_US), (3, "ann", NOON_US))
    assert command(tmp_path, "--user", "ann", "--yes").exit_code == 0
    assert users(tmp_path) == [(2, redactor.user("bob"))]


def test_what_was_said_of_an_id_stays_where_another_call_has_it(tmp_path: Path) -> None:
    settled_run(tmp_path, (1, ANN, NOON_US))
    settled_run(tmp_path, (1, "bob", NOON_US + 5))
    forget(tmp_path)
    assert users(tmp_path) == [(1, "bob")]
    assert rows(tmp_path, "bodies") == 1
    assert rows(tmp_path, "all_feedback") == 2, "nobody knows which of the two it was said of"


def test_files_that_cannot_be_read_are_named(data: Path) -> None:
    torn = Folders(data).lake_day("requests", NOON.date()) / "torn.parquet"
    torn.write_bytes(b"PAR1" + b"x" * 20)
    result = command(data, "--user", ANN, "--yes")
    assert result.exit_code == 0
    assert "1 files (lake/requests/date=2026-11-21/torn.parquet) cannot be read" in result.stderr
    assert json.loads(result.stdout)["unreadable_files"] == ["lake/requests/date=2026-11-21/torn.parquet"]


def test_what_retention_keeps_no_longer_is_shown_and_deleted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settled_run(tmp_path, (1, "ann", NOON_US - 3 * DAY_US), (2, "bob", NOON_US))
    assert command(tmp_path, "--expired", "--yes").stderr.endswith(
        "heliograph.toml has no [retention]; docs/keep.md shows how to write one\n"
    )
    (tmp_path / "heliograph.toml").write_text('[retention]\nbodies = "2d"\n')

    def expired(ask: Callable[[], None]) -> str:
        forget_expired(tmp_path, None, ask, lambda: NOW)
        captured = capsys.readouterr()
        return captured.out + captured.err

    def refuse() -> None:
        raise Failure("nothing was deleted")

    with pytest.raises(Failure, match="nothing was deleted"):
        expired(refuse)
    capsys.readouterr()
    assert rows(tmp_path, "bodies") == 2
    said = expired(lambda: None).splitlines()
    assert said[0] == "deleted 1 rows of bodies (2026-11-18 to 2026-11-18)"
    assert "  bodies                      1 rows of 1 days, 2026-11-18 to 2026-11-18" in said
    assert (rows(tmp_path, "requests"), rows(tmp_path, "bodies")) == (2, 1)
    assert expired(refuse) == "nothing is due\n"
    assert not Folders(tmp_path).lake_day("bodies", (NOON - timedelta(days=3)).date()).exists()


def test_the_doctor_tells_what_is_due_and_what_went_last(tmp_path: Path) -> None:
    settled_run(tmp_path, (1, "ann", NOON_US - 4000 * DAY_US))
    (tmp_path / "heliograph.toml").write_text('[retention]\nbodies = "8y"\n')

    def told() -> list[str]:
        return [each.says for each in data_findings(tmp_path, None) if each.subject == "retention"]

    assert told() == [
        "all: bodies 2,920 d; last deleted: nothing yet",
        "due: 1 bodies; a running proxy deletes them within a day, `heliograph forget --expired` now",
    ]
    assert command(tmp_path, "--expired", "--yes").exit_code == 0
    (last,) = told()
    assert last.startswith("all: bodies 2,920 d; last deleted: 1 bodies at ")
