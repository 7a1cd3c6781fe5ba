"""`[retention]` for calls that are in a bucket only: they go there as they do here, once, wherever the process is killed."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from addon.caching.sqlite_store import SqliteCache
from addon.config.retention import Retention, Rule
from addon.objects.store import Store
from addon.settling.released import MOST_DAYS
from addon.settling.retention_there import due_days, expire_there
from addon.settling.shipping import Shipper
from addon.settling.shipping_thread import ShippingThread
from addon.storage.folders import Folders
from addon.storage.record import FeedbackRow, PropertyChangeRow
from tests.analysis.writing import made_up_rows, tell, to_parquet
from tests.buckets import stored_ids
from tests.objects.google import Google
from tests.settling.in_bucket import LATER, URL, release, shipper_of
from tests.settling.kills import killed_before_each_step

ROWS = made_up_rows(40)  # of 2026-11-19 and 20
ALL = Counter(row.request_id for row in ROWS)


@pytest.fixture
def folders(tmp_path: Path, google_store: Google) -> Folders:
    """A folder all of whose files are in the bucket only."""
    folders = Folders(tmp_path / "data")
    to_parquet(folders.data, ROWS, 1)
    said = FeedbackRow(request_id=ROWS[0].request_id, created_at=ROWS[-1].started_at, rating=True)
    changed = PropertyChangeRow(
        request_id=ROWS[1].request_id, created_at=ROWS[-1].started_at, name="tier", value="free"
    )
    tell(folders.data, [said], 3, parquet=True)
    tell(folders.data, [changed], 4, parquet=True)
    Shipper(folders, Store(URL)).round()
    release(folders)
    return folders


def expire(folders: Folders, *rules: Rule, now: datetime = LATER) -> dict[str, int] | None:
    gone = expire_there(folders, shipper_of(folders), Retention(rules), now, [SqliteCache(folders.cache)])
    return gone.rows if gone else None


def test_what_is_due_goes_from_the_bucket_and_nothing_is_brought_back_twice(folders: Folders) -> None:
    store = Store(URL)
    rules = (Rule(bodies_days=30, requests_days=730),)
    assert expire(folders, *rules, now=datetime(2026, 11, 30, tzinfo=UTC)) is None, "nothing is due yet"
    assert expire(folders, *rules) == {"bodies": 40}
    release(folders)
    assert (stored_ids(store), stored_ids(store, "bodies")) == (ALL, Counter())
    assert expire(folders, *rules) is None
    assert expire(folders, *rules, now=LATER + timedelta(days=1000)) == {
        "requests": 40,
        "feedback": 1,
        "property_changes": 1,
    }
    release(folders)
    assert not stored_ids(store) and not stored_ids(store, "feedback")
    assert {found.path.split("/")[1] for found in store.list("lake/")} <= {
        "requests",
        "bodies",
        "feedback",
        "property_changes",
    }


def test_a_rule_for_a_property_that_was_set_later_finds_its_calls(folders: Folders) -> None:
    store = Store(URL)
    assert expire(folders, Rule(properties=(("tier", "free"),), requests_days=7)) == {
        "requests": 1,
        "bodies": 1,
        "property_changes": 1,
    }
    release(folders)
    assert stored_ids(store) == stored_ids(store, "bodies") == ALL - Counter([ROWS[1].request_id])
    assert expire(folders, Rule(properties=(("tier", "free"),), requests_days=7)) is None


def test_killed_at_each_step_every_row_that_stays_is_there_once(folders: Folders) -> None:
    store, retention = Store(URL), Retention((Rule(provider="openai", requests_days=30),))
    wanted = Counter(row.request_id for row in ROWS if row.provider_name != "openai")
    assert ALL > wanted > Counter()

    def never_less_nor_twice() -> None:
        found = stored_ids(store)
        assert found >= wanted and found <= ALL

    def act(step: Callable[[str], None]) -> None:
        release(folders)  # what the try before has brought back
        expire_there(folders, shipper_of(folders, step), retention, LATER, [], step)

    deleting = killed_before_each_step(act, never_less_nor_twice)
    assert {what.partition(" ")[0] for what in deleting} == {"get", "delete", "note"}
    release(folders)
    assert stored_ids(store) == stored_ids(store, "bodies") == wanted
    assert not due_days(shipper_of(folders).lake, retention, LATER.date())
    wanted.clear()
    assert expire(folders, Rule(requests_days=30))
    shipping = killed_before_each_step(lambda step: shipper_of(folders, step).round(), never_less_nor_twice)
    assert {what.partition(" ")[0] for what in shipping} == {"put", "note"}
    assert not stored_ids(store) and not stored_ids(store, "bodies")


def test_a_pass_takes_some_days_and_the_next_one_others(folders: Folders) -> None:
    for number in range(MOST_DAYS):
        started_at = ROWS[0].started_at - timedelta(days=10 + number)
        to_parquet(folders.data, [replace(ROWS[0], started_at=started_at)], 50 + number)
    Shipper(folders, Store(URL)).round()
    release(folders)
    rule = Rule(requests_days=30)
    days = list(due_days(shipper_of(folders).lake, Retention((rule,)), LATER.date()))
    assert len(days) == MOST_DAYS + 2
    expire(folders, rule)
    release(folders)
    assert list(due_days(shipper_of(folders).lake, Retention((rule,)), LATER.date())) == days[MOST_DAYS:]


def test_a_running_proxy_does_it(folders: Folders) -> None:
    said: list[str] = []
    (folders.data / "heliograph.toml").write_text(f'lake = "{URL}"\n[retention]\nbodies = "1d"\n')
    ShippingThread(folders, None, said.append).finish()
    assert said == ["[retention] deleted 40 rows of bodies (2026-11-19 to 2026-11-20), which were in the bucket only"]
