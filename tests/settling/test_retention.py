import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from addon.caching.sqlite_store import SqliteCache
from addon.caching.store import Stored
from addon.config.retention import Retention, Rule
from addon.settling.merge import finish_merges, merge_day
from addon.settling.parquet import read_parts, write_parquet
from addon.settling.retention import Expiry, Gone, apply_settings, delete_expired
from addon.settling.settled_files import dump_line, row_fields
from addon.storage import dead_letters
from addon.storage.folders import Folders
from addon.storage.receipts import receipts
from addon.storage.record import BodyRow, FeedbackRow, PropertyChangeRow, RequestRow
from tests.settling.kills import left_by_kills
from tests.storage.calls import stored

NOW: Final = datetime(2026, 11, 21, 9, tzinfo=UTC)
MONTH: Final = Rule(bodies_days=30, requests_days=730)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def write(folders: Folders, age_days: int, provider: str = "openai", **properties: str) -> str:
    """A call so many days ago, with its bodies. Returns its id."""
    started_at = NOW - timedelta(days=age_days)
    request_id = f"{age_days} {provider} {' '.join(properties.values())}".strip()
    row = RequestRow(
        request_id=request_id,
        started_at=started_at,
        provider_name=provider,
        operation_name="chat",
        properties=properties,
    )
    put(folders, "requests", row, request_id)
    put(folders, "bodies", BodyRow(request_id=request_id, started_at=started_at, request_body="ask"), request_id)
    return request_id


def put(folders: Folders, table: str, row: Any, name: str) -> None:
    at = getattr(row, "started_at", None) or row.created_at
    path = folders.parquet(table, name.replace(" ", "-"), at.date())
    write_parquet(path, table, read_parts([dump_line(row_fields(row))], table))


def kept(folders: Folders, table: str = "requests") -> list[str]:
    return [row["request_id"] for row in stored(folders.data, table)]


def delete(folders: Folders, *rules: Rule) -> Gone:
    return delete_expired(folders, Retention(rules), NOW, [SqliteCache(folders.cache)])


def test_bodies_go_and_their_rows_stay(folders: Folders) -> None:
    write(folders, 31), write(folders, 30), write(folders, 0)
    gone = delete(folders, MONTH)
    assert gone.rows == {"bodies": 1}
    assert str(gone) == "1 rows of bodies (2026-10-21 to 2026-10-21)"
    assert kept(folders) == ["0 openai", "30 openai", "31 openai"]
    assert kept(folders, "bodies") == ["0 openai", "30 openai"]
    assert delete(folders, MONTH).rows == {}


def test_rows_take_their_bodies_and_what_was_said_of_them_along(folders: Folders) -> None:
    old, new = write(folders, 8), write(folders, 3)
    for request_id in (old, new):  # today
        put(folders, "feedback", FeedbackRow(request_id=request_id, created_at=NOW, rating=True), request_id)
    gone = delete(folders, Rule(requests_days=7))
    assert gone.rows == {"feedback": 1, "bodies": 1, "requests": 1}
    assert kept(folders) == kept(folders, "bodies") == kept(folders, "feedback") == [new]


def test_the_first_rule_that_fits_a_call_decides(folders: Folders) -> None:
    for age in (5, 40):
        write(folders, age), write(folders, age, "groq"), write(folders, age, tier="free")
        write(folders, age, "groq", tier="free"), write(folders, age, tier="paid")
    delete(
        folders,
        Rule(properties=(("tier", "free"),), requests_days=3),
        Rule(provider="groq", requests_days=90, bodies_days=4),
        Rule(requests_days=30),
    )
    assert kept(folders) == ["40 groq", "5 groq", "5 openai", "5 openai paid"]
    assert kept(folders, "bodies") == ["5 openai", "5 openai paid"]


def test_a_rule_may_keep_calls_longer_than_all_others(folders: Folders) -> None:
    write(folders, 50), write(folders, 50, tier="paid")
    delete(folders, Rule(properties=(("tier", "paid"),), requests_days=365), Rule(requests_days=30))
    assert kept(folders) == kept(folders, "bodies") == ["50 openai paid"]


def test_a_property_that_was_set_later_counts(folders: Folders) -> None:
    first, second = write(folders, 5, tier="paid"), write(folders, 5)
    for minute, value in enumerate(("free", "paid", "free")):
        change = PropertyChangeRow(
            request_id=first, created_at=NOW + timedelta(minutes=minute), name="tier", value=value
        )
        put(folders, "property_changes", change, f"change {minute}")
    delete(folders, Rule(properties=(("tier", "free"),), requests_days=1))
    assert kept(folders) == [second]
    assert kept(folders, "property_changes") == []


def test_cached_answers_and_given_up_deliveries_go_with_the_bodies(folders: Folders) -> None:
    cache = SqliteCache(folders.cache)
    for request_id in (write(folders, 31), write(folders, 1)):
        answer = Stored(status=200, headers=(), chunks=(b"hi",), latency_ms=1, request_id=request_id, started_at_us=0)
        cache.put([request_id], answer, now=NOW.timestamp(), max_age_s=1e8, seed=None)
        dead_letters.append(folders.dead_letters, {"request_id": request_id})
    gone = delete(folders, MONTH)
    assert gone.beside == {"cached answers": 1, "deliveries that were given up": 1}
    assert cache.calls() == dead_letters.calls(folders.dead_letters) == {"1 openai"}
    cache.close()


def test_a_pass_leaves_a_receipt_and_one_without_anything_due_leaves_none(folders: Folders) -> None:
    write(folders, 40)
    delete(folders, MONTH)
    (receipt,) = receipts(folders, "retention")
    assert receipt["removed"] == {"bodies": 1}
    assert receipt["rules"] == ["all: requests 730 d, bodies 30 d"]
    assert receipt["days"] == {"bodies": ["2026-10-12", "2026-10-12"]}
    delete(folders, MONTH)
    assert len(list(receipts(folders, "retention"))) == 1


def test_without_rules_nothing_is_read_or_deleted(folders: Folders) -> None:
    write(folders, 4000)
    assert delete(folders).rows == {}
    assert list(Expiry(folders, Retention(), NOW.date()).due()) == []
    assert len(kept(folders)) == 1


def test_the_settler_applies_what_the_settings_say_and_nothing_where_they_are_wrong(folders: Folders) -> None:
    write(folders, 40)
    said: list[str] = []
    file = folders.data / "heliograph.toml"
    for text, bodies in (("bodies = '0d'", 1), ("bodies = '30d'", 0)):
        file.write_text(f"[retention]\n{text}\n")
        apply_settings(folders, file, said.append, NOW, threading.Event())
        assert len(kept(folders, "bodies")) == bodies
    assert said == ["[retention] deleted 1 rows of bodies (2026-10-12 to 2026-10-12)"]


def day_of(age_days: int) -> date:
    return (NOW - timedelta(days=age_days)).date()


def test_a_pass_killed_at_any_step_is_finished_by_the_next_one(tmp_path: Path) -> None:
    template = Folders(tmp_path / "template")
    old = [write(template, 8), write(template, 8, "groq")]
    merge_day(template, "requests", day_of(8))
    for request_id in (*old, write(template, 3)):
        put(template, "feedback", FeedbackRow(request_id=request_id, created_at=NOW, rating=True), request_id)
    rules = (Rule(provider="groq", requests_days=6), Rule(requests_days=7))

    def keep_the_rest(data: Path) -> None:
        delete(Folders(data), *rules)

    for step, data in left_by_kills(keep_the_rest, template.data, tmp_path):
        folders = Folders(data)
        keep_the_rest(data)
        for table in ("requests", "bodies", "feedback"):
            assert kept(folders, table) == ["3 openai"], f"before step {step}"
        for table in ("requests", "bodies"):
            finish_merges(folders, table, day_of(8), float("inf"))
            assert not list(folders.lake_day(table, day_of(8)).iterdir()), f"before step {step}"
    assert step > 15, "the hook sees the steps"
