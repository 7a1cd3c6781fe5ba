"""Shipping to a lake in a bucket: each row counts there exactly once, whatever is killed, fails or lies."""

import contextlib
import itertools
import math
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from addon.commands.options import Failure
from addon.commands.released import lake_of_released
from addon.config.settings import Settings
from addon.config.shipping import Shipping
from addon.objects import manifest
from addon.objects.store import Store, StoreTrouble, Untrue
from addon.settling.compact import only_merger
from addon.settling.day_files import SUMMARIES
from addon.settling.merge import finish_merges, merge_day
from addon.settling.rewrite import rewrite
from addon.settling.ship_status import read_status
from addon.settling.shipping import GONE_S, Foreign, Shipper
from addon.settling.shipping_thread import ShippingThread
from addon.settling.summarise import summarise_all
from addon.storage.folders import Folders
from tests.analysis.writing import made_up_rows, to_parquet
from tests.buckets import Relay, make_bucket, relay_to, s3_server, stored_ids, use
from tests.objects.lakes import put_read_list_and_delete, ship_read_change_and_recall
from tests.settling.kills import killed_before_each_step

ROWS = made_up_rows(60)
FIRST, SECOND = (date(2026, 11, 19), date(2026, 11, 20))
ALL = Counter(row.request_id for row in ROWS)
LATER = Shipping(max_local_bytes=2**40)


class Clock:
    """Moved by the test. Merges go by the times of files, so it begins now."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def relay(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    with relay_to(server) as relay:
        use(monkeypatch, relay.url)
        yield relay


@pytest.fixture
def url(server: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    use(monkeypatch, server)
    return make_bucket(server, f"bucket-{abs(hash(request.node.name)):x}")


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    data = tmp_path / "data"
    to_parquet(data, ROWS[:20], 1)
    to_parquet(data, ROWS[20:40], 2)
    to_parquet(data, ROWS[40:], 3)
    return Folders(data)


def merge(folders: Folders) -> None:
    with only_merger(folders):
        for table, day in itertools.product(("requests", "bodies"), (FIRST, SECOND)):
            merge_day(folders, table, day)
            finish_merges(folders, table, day, math.inf)


def names(store: Store, prefix: str) -> list[str]:
    return sorted(found.path for found in store.list(prefix))


def test_every_file_of_every_table_is_shipped_and_counts(folders: Folders, url: str) -> None:
    store = Store(url)
    done = Shipper(folders, store).round()
    assert stored_ids(store) == stored_ids(store, "bodies") == ALL
    assert done.files == len(names(store, "lake/")) == 8
    again = Shipper(folders, store)
    assert again.round().files == again.waiting().files == 0
    data, _ = store.get(f"lake/requests/date={FIRST}/{next(folders.lake_day('requests', FIRST).iterdir()).name}")
    assert pq.read_schema(next(folders.lake_day("requests", FIRST).iterdir())).names and data[:4] == b"PAR1"


def test_a_merge_replaces_its_files_at_once_and_their_objects_go_after_a_grace(folders: Folders, url: str) -> None:
    store, clock = Store(url), Clock()
    shipper = Shipper(folders, store, clock=clock)
    shipper.round()
    merge(folders)
    assert any(folders.lake_day("requests", FIRST).glob("*.replaces")), "it says what the lake must no longer count"
    shipper.round()
    assert stored_ids(store) == stored_ids(store, "bodies") == ALL
    assert len(names(store, f"lake/requests/date={FIRST}/")) == 3
    clock.now += GONE_S
    shipper.round()
    assert len(names(store, f"lake/requests/date={FIRST}/")) == 1
    merge(folders)
    assert not any(folders.lake_day("requests", FIRST).glob("*.replaces"))
    assert stored_ids(store) == ALL


def test_small_files_are_merged_before_they_are_shipped(folders: Folders, url: str) -> None:
    store = Store(url)
    Shipper(folders, store).round(gathers=True)
    assert len(names(store, "lake/")) == 4
    assert stored_ids(store) == ALL


def test_a_summary_is_shipped_with_its_file_and_goes_with_it(folders: Folders, url: str) -> None:
    store = Store(url)
    merge(folders)
    summarise_all(folders, least_bytes=0)
    Shipper(folders, store).round()
    before = names(store, f"lake/{SUMMARIES}/")
    to_parquet(folders.data, made_up_rows(5), 9)
    merge(folders)
    Shipper(folders, store).round()
    (each, *_) = store.list(manifest.MANIFESTS)
    files = manifest.loaded(store.get(each.path)[0]).files
    assert {Path(name).suffix for name in before} <= {".parquet", ".brief", ".times"}
    assert {Path(name).stem for name in files.get(SUMMARIES, {})} <= {Path(name).stem for name in files["requests"]}


def test_old_days_and_bodies_above_the_bound_are_deleted_here_only_once_the_lake_has_them(
    folders: Folders, url: str
) -> None:
    store, clock = Store(url), Clock()
    clock.now += 400 * 86_400
    shipper = Shipper(folders, store, clock=clock)
    shipper.release(LATER)
    assert len(list(folders.data.glob("lake/*/*/*.parquet"))) == 8, "nothing is shipped yet"
    shipper.round()
    shipper.release(Shipping(max_local_bytes=0, keep_local_days=1000))
    assert not list(folders.data.glob("lake/bodies/*/*")) and list(folders.data.glob("lake/requests/*/*"))
    shipper.release(LATER)
    assert not list(folders.data.glob("lake/*/*/*.parquet"))
    shipper.round()
    to_parquet(folders.data, made_up_rows(70)[60:], 7)  # late rows
    Shipper(folders, store, clock=clock).round()
    assert stored_ids(store) == Counter(row.request_id for row in made_up_rows(70)[60:]) + ALL


def test_what_is_in_the_lake_only_is_brought_back_and_changed_and_counts_once(folders: Folders, url: str) -> None:
    store, clock = Store(url), Clock()
    clock.now += 400 * 86_400
    shipper = Shipper(folders, store, clock=clock)
    shipper.round()
    shipper.release(LATER)
    chosen = Settings(data=folders.data, config=folders.data / "heliograph.toml")
    with pytest.raises(Failure, match="only in a bucket that the settings do not name"):
        lake_of_released(folders, chosen)
    assert lake_of_released(folders, replace(chosen, lake=url)) == url
    assert shipper.recall() == 8
    assert lake_of_released(folders, chosen) is None
    assert len(list(folders.data.glob("lake/*/*/*.parquet"))) == 8
    with only_merger(folders):
        for day in (FIRST, SECOND):
            dropped = pc.field("request_id").isin([ROWS[0].request_id, ROWS[-1].request_id])
            rewrite(folders, "requests", day, dropped, lambda rows: rows.filter(pc.invert(dropped_of(rows))))
    Shipper(folders, store, clock=clock).round()
    assert stored_ids(store) == ALL - Counter([ROWS[0].request_id, ROWS[-1].request_id])


def dropped_of(rows: pa.Table) -> pa.Array:
    return pc.is_in(rows["request_id"], value_set=pa.array([ROWS[0].request_id, ROWS[-1].request_id]))


def test_what_is_deleted_here_by_hand_stays_in_the_lake(folders: Folders, url: str) -> None:
    store = Store(url)
    Shipper(folders, store).round()
    shutil.rmtree(folders.lake_day("requests", FIRST))
    shutil.rmtree(folders.lake("bodies"))
    Shipper(folders, store).round()
    assert stored_ids(store) == stored_ids(store, "bodies") == ALL


def test_nothing_is_lost_or_doubled_wherever_it_is_killed(folders: Folders, url: str) -> None:
    """Killed before each step in turn: of the first round, after a merge, and while files are released and late rows come."""
    store, clock = Store(url), Clock()
    clock.now += 400 * 86_400
    shutil.rmtree(folders.data)
    of_one_day = [row for row in ROWS if row.started_at.date() == FIRST]
    for number in range(2):
        to_parquet(folders.data, of_one_day[number::2], number)
    wanted = Counter(row.request_id for row in of_one_day)

    def killed(act: Callable[[Shipper], object], check: Callable[[], None]) -> set[str]:
        """Kills `act` before each of its steps in turn, until it comes to its end; the kinds of these steps."""
        steps = killed_before_each_step(lambda step: act(Shipper(folders, store, clock=clock, step=step)), check)
        return {what.partition(" 20")[0].partition(" requests/")[0].partition(" bodies/")[0] for what in steps}

    def never_twice() -> None:
        assert not stored_ids(store) - wanted

    def each_once() -> None:
        assert stored_ids(store) == wanted

    publishing = {
        "note files",
        "put",
        "note manifest",
        "put manifest",
        "note that manifest was put",
    }
    found = killed(lambda shipper: shipper.round(), never_twice)
    assert found == publishing | {"put marker", "note which manifest there is"}
    each_once()
    merge(folders)
    assert killed(lambda shipper: shipper.round(), each_once) == publishing | {"note which manifest there is"}
    clock.now += GONE_S
    assert killed(lambda shipper: shipper.round(), each_once) == {"delete objects", "note what was deleted"}
    merge(folders)
    assert killed(lambda shipper: shipper.release(LATER), each_once) == {"note release", "delete here"}
    merge(folders)
    killed(lambda shipper: shipper.round(), each_once)
    assert not list(folders.data.glob("lake/*/*/*.parquet"))


def test_a_file_that_is_merged_while_it_is_shipped_counts_once(folders: Folders, url: str) -> None:
    """The settler merges between any two steps: what the round had noted by then is what it replaces in the next one."""
    store = Store(url)
    rows = made_up_rows(63)
    for number, at in enumerate(("put requests", "note manifest", "put manifest")):
        to_parquet(folders.data, rows[60 + number : 61 + number], 100 + number)

        def step(what: str, at: str = at) -> None:
            if what.startswith(at):
                merge(folders)

        for _ in range(3):
            with contextlib.suppress(OSError):  # the file went meanwhile: the next round ships the merged one
                Shipper(folders, store, step=step).round()
        assert stored_ids(store) == Counter(row.request_id for row in rows[: 61 + number]), at


def test_a_store_that_fails_or_cuts_connections_gets_everything_later(folders: Folders, url: str, relay: Relay) -> None:
    store = Store(url)
    count = itertools.count()
    relay.fault = lambda method, path: (
        ("503 SlowDown", None, "reset", None)[next(count) % 4] if method == "PUT" else None
    )
    for _ in range(20):
        try:
            Shipper(folders, store).round()
            break
        except StoreTrouble:
            continue
    relay.fault = lambda method, path: None
    assert stored_ids(store) == stored_ids(store, "bodies") == ALL


def test_a_store_that_lies_about_success_is_not_believed(folders: Folders, url: str, relay: Relay) -> None:
    store, clock = Store(url), Clock()
    clock.now += 400 * 86_400
    relay.fault = lambda method, path: "lie" if method == "PUT" and "/bodies/" in path else None
    shipper = Shipper(folders, store, clock=clock)
    with pytest.raises(Untrue, match="said that it took lake/bodies/"):
        shipper.round()
    shipper.release(LATER)
    assert len(list(folders.data.glob("lake/*/*/*.parquet"))) == 8
    relay.fault = lambda method, path: "lie" if method == "PUT" and "/manifests/" in path else None
    with pytest.raises(StoreTrouble):
        Shipper(folders, store).round()
    relay.fault = lambda method, path: None
    Shipper(folders, store).round()
    assert stored_ids(store) == ALL


def test_a_silent_store_keeps_nothing_waiting_and_the_status_says_since_when(
    folders: Folders, url: str, relay: Relay
) -> None:
    said: list[str] = []
    (folders.data / "heliograph.toml").write_text(f'lake = "{url}"\n')
    thread = ShippingThread(folders, None, said.append)
    relay.fault = lambda method, path: "403 AccessDenied"
    thread.finish()
    status = read_status(folders)
    assert status and status.waiting_files == 8 and status.waiting_bytes > 0 and status.troubled_since
    assert said == [
        f"cannot ship: {url}: these credentials may not read there; they need ListBucket, GetObject, PutObject and"
        " DeleteObject; the calls stay on this disk, trying again"
    ]
    relay.fault = lambda method, path: None
    thread = ShippingThread(folders, None, said.append)
    thread.finish()
    status = read_status(folders)
    assert status and (status.waiting_files, status.trouble, status.shipped_files) == (0, None, 4)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("404 NoSuchBucket", "there is no such bucket; make it, or correct its name"),
        ("403 AccessDenied", "these credentials may not read there"),
        ("400 ExpiredToken", "the credentials have expired; renew them"),
        ("403 InvalidAccessKeyId", "the store does not know this access key"),
        ("403 RequestTimeTooSkewed", "the clock of this machine is wrong"),
    ],
)
def test_what_is_wrong_with_a_store_is_said_in_words(
    folders: Folders, url: str, relay: Relay, fault: str, words: str
) -> None:
    relay.fault = lambda method, path: fault
    with pytest.raises(StoreTrouble, match=words):
        Shipper(folders, Store(url)).round()


def test_proxies_write_one_lake_without_knowing_of_each_other(folders: Folders, url: str, tmp_path: Path) -> None:
    other = Folders(tmp_path / "other")
    more = made_up_rows(90)[60:]
    to_parquet(other.data, more, 4)
    store = Store(url)
    for each in (folders, other):
        Shipper(each, store).round(gathers=True)
    assert stored_ids(store) == ALL + Counter(row.request_id for row in more)
    assert len({Path(path).name for path in names(store, manifest.MANIFESTS)}) == 2


def test_a_store_that_passes_over_conditions_is_checked_before_each_put(
    folders: Folders, url: str, relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    relay.passes_over = frozenset({"if-none-match", "if-match"})
    put_read_list_and_delete(Store(url), tmp_path)
    ship_read_change_and_recall(url, tmp_path / "whole", time.time())
    Shipper(folders, Store(url)).round()
    copy = Folders(tmp_path / "copy")
    shutil.copytree(folders.data, copy.data)
    to_parquet(folders.data, made_up_rows(70)[60:], 7)
    Shipper(folders, Store(url)).round()
    wanted = stored_ids(Store(url))
    to_parquet(copy.data, made_up_rows(80)[70:], 8)
    with pytest.raises(Foreign, match="is not what this folder has put there"):
        Shipper(copy, Store(url)).round()
    assert stored_ids(Store(url)) == wanted


def test_a_copy_of_a_folder_that_ships_too_is_told_and_ships_nothing(
    folders: Folders, url: str, tmp_path: Path
) -> None:
    store = Store(url)
    Shipper(folders, store).round()
    copy = Folders(tmp_path / "copy")
    shutil.copytree(folders.data, copy.data)
    to_parquet(folders.data, made_up_rows(70)[60:], 7)
    Shipper(folders, store).round()
    wanted = stored_ids(store)
    to_parquet(copy.data, made_up_rows(80)[70:], 8)
    with pytest.raises(Foreign, match="a copy of a folder that ships too"):
        Shipper(copy, store).round()
    assert stored_ids(store) == wanted


def test_a_lake_of_a_newer_version_or_one_that_was_emptied_is_left_alone(folders: Folders, url: str) -> None:
    store = Store(url)
    Shipper(folders, store).round()
    _, etag = store.get(manifest.MARKER)
    store.put(manifest.MARKER, manifest.marker("another"), etag)
    with pytest.raises(Foreign, match="was it emptied"):
        Shipper(folders, store).round()
    _, etag = store.get(manifest.MARKER)
    store.put(manifest.MARKER, orjson.dumps({"format": manifest.FORMAT + 1, "id": "x"}), etag)
    with pytest.raises(Foreign, match="written by a newer heliograph"):
        Shipper(folders, store).round()
