"""Reading a lake in a bucket: the same answers as from the folder, of it only what a question needs, and once."""

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from addon.commands.cli import main
from addon.objects import manifest
from addon.objects.stand_in import stand_in
from addon.objects.store import Store, StoreTrouble
from addon.settling.compact import only_merger
from addon.settling.merge import finish_merges, merge_day
from addon.settling.shipping import GONE_S, Shipper
from addon.settling.summarise import summarise_all
from addon.storage.folders import Folders
from addon.storage.record import FeedbackRow, PropertyChangeRow
from analysis.bucket import OpenedFile
from analysis.bucket_blocks import BLOCK_BYTES, BlockCache
from analysis.lake import Connection, Lake
from tests.analysis.writing import FIRST_DAY, made_up_rows, tell, to_parquet
from tests.buckets import Relay, make_bucket, relay_to, s3_server, use

ROWS = made_up_rows(300)
DAYS = (FIRST_DAY.date(), (FIRST_DAY + timedelta(days=1)).date())
WINDOW = ("--since", "2026-11-19", "--until", "2026-11-21", "--tz", "UTC")


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
def url(
    server: str, relay: Relay, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest
) -> str:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return make_bucket(server, f"read-{abs(hash(request.node.name)):x}")


@pytest.fixture
def folders(tmp_path: Path, url: str) -> Folders:
    """A folder whose calls are in the lake."""
    folders = Folders(tmp_path / "data")
    to_parquet(folders.data, ROWS[:150], 1)
    to_parquet(folders.data, ROWS[150:], 2)
    said_at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    tell(folders.data, [FeedbackRow(request_id=ROWS[0].request_id, created_at=said_at, rating=True)], 3, parquet=True)
    changed = PropertyChangeRow(request_id=ROWS[1].request_id, created_at=said_at, name="feature", value="late")
    tell(folders.data, [changed], 4, parquet=True)
    merge(folders)
    summarise_all(folders, least_bytes=0)
    Shipper(folders, Store(url)).round()
    return folders


def merge(folders: Folders) -> None:
    with only_merger(folders):
        for table in ("requests", "bodies"):
            for day in DAYS:
                merge_day(folders, table, day)
                finish_merges(folders, table, day, 1e12)


def asked(data: Path, sql: str) -> list[tuple[Any, ...]]:
    def question(connection: Connection) -> list[tuple[Any, ...]]:
        return connection.execute(sql).fetchall()

    return Lake(data).ask(question)


def run(*arguments: str, fails: bool = False) -> str:
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code != 0) == fails, result.output
    return result.output if fails else result.stdout


@pytest.mark.parametrize(
    "sql",
    [
        "select * from requests order by request_id",
        "select * from bodies order by request_id",
        "select * from feedback",
        "select * from sessions order by all",
        "select request_id from requests where properties['feature'] = 'late'",
    ],
)
def test_a_lake_in_a_bucket_answers_as_the_folder_does(folders: Folders, url: str, sql: str) -> None:
    assert asked(stand_in(url), sql) == asked(folders.data, sql) != []


@pytest.mark.parametrize("report", ["costs", "models", "latency", "errors"])
def test_reports_over_a_bucket_say_what_reports_over_the_folder_say(folders: Folders, url: str, report: str) -> None:
    there, here = (
        json.loads(run("report", report, *WINDOW, "--json", "--data", each)) for each in (url, str(folders.data))
    )
    assert there == here != []


def test_show_and_sql_take_the_url(folders: Folders, url: str) -> None:
    assert ROWS[0].request_id in run("show", ROWS[0].request_id, "--data", url)
    assert json.loads(run("sql", "--json", "select count(*) as calls from requests", "--data", url)) == [{"calls": 300}]


def test_a_question_fetches_what_it_needs_and_the_next_one_asks_for_the_listing_only(
    folders: Folders, url: str, relay: Relay
) -> None:
    relay.asked.clear()
    asked(stand_in(url), "select sum(cost_nanousd) from requests")
    assert len([path for _, path in relay.asked if "/bodies/" in path]) == 1, "the columns that there are"
    relay.asked.clear()
    shutil.copytree(stand_in(url), folders.data / "later")  # another process: nothing is in memory
    asked(folders.data / "later", "select sum(cost_nanousd) from requests")
    assert [(method, path.partition("?")[0].count("/")) for method, path in relay.asked] == [("GET", 3), ("GET", 1)]


def test_a_day_of_a_call_is_all_that_is_opened(folders: Folders, url: str, relay: Relay) -> None:
    relay.asked.clear()
    day = DAYS[0]
    rows = Lake(stand_in(url)).of_days(day, day).ask(lambda connection: connection.execute("from bodies").fetchall())
    assert rows and not [path for _, path in relay.asked if f"lake/bodies/date={DAYS[1]}" in path]


def test_new_and_merged_files_are_seen_and_an_object_that_is_gone_is_listed_anew(folders: Folders, url: str) -> None:
    lake = Lake(stand_in(url))
    count = "select count(*), count(distinct request_id) from requests"

    def question(connection: Connection) -> tuple[Any, ...]:
        (row,) = connection.execute(count).fetchall()
        return row

    assert lake.ask(question) == (300, 300)
    to_parquet(folders.data, made_up_rows(310)[300:], 9)
    merge(folders)
    clock = [0.0]
    shipper = Shipper(folders, Store(url), clock=lambda: clock[0])
    shipper.round()
    clock[0] = GONE_S
    shipper.round()  # the objects that were replaced are deleted
    shutil.rmtree(stand_in(url) / "blocks")
    assert Lake(stand_in(url)).ask(question) == (310, 310)


def test_a_store_that_fails_is_told_in_words_and_an_empty_one_too(
    folders: Folders, url: str, relay: Relay, server: str
) -> None:
    relay.fault = lambda method, path: "403 AccessDenied" if "/lake/" in path else None
    with pytest.raises(StoreTrouble, match="these credentials may not read there"):
        asked(stand_in(url), "select sum(cost_nanousd) from requests")
    relay.fault = lambda method, path: "400 ExpiredToken"
    assert "the credentials have expired" in run("report", "--data", f"{url}/other", fails=True)
    relay.fault = lambda method, path: None
    assert "there is no lake; a proxy with this line" in run("report", "--data", f"{url}/another", fails=True)


def test_a_manifest_of_a_newer_version_is_named(folders: Folders, url: str) -> None:
    Store(url).put(manifest.manifest_path(DAYS[0], "0" * 16), b'{"format": 2}', None)
    assert "written by a newer heliograph (format 2" in run("report", "--data", url, fails=True)


def test_commands_that_write_do_not_take_a_bucket() -> None:
    told = run("up", "--data", "s3://bucket/team", fails=True)
    assert 'write in its heliograph.toml: lake = "s3://bucket/team"' in " ".join(told.split()).replace("│ ", "")
    assert "is not the address of a bucket" in run("report", "--data", "s3://", fails=True)


def test_threads_that_share_an_open_file_get_what_each_sought() -> None:
    """As DuckDB's threads do: one seeks, another seeks, then the first reads."""
    content = bytes(range(200))
    file = OpenedFile("name", len(content), lambda name, start, length: content[start : start + length])
    file.seek(100)
    with ThreadPoolExecutor(1) as another:
        assert another.submit(file.tell).result() == 0
        another.submit(file.seek, 10).result()
        assert file.read(3) == bytes([100, 101, 102])
        assert another.submit(file.read, 2).result() == bytes([10, 11])
    file.seek(-2, 2)
    assert (file.read(), file.read(), file.tell()) == (bytes([198, 199]), b"", 200)


def test_blocks_are_fetched_once_damaged_ones_again_and_old_ones_make_room(tmp_path: Path) -> None:
    content = bytes(range(256)) * (BLOCK_BYTES // 64)  # four blocks
    fetched: list[tuple[int, int]] = []

    def fetch(start: int, length: int) -> bytes:
        fetched.append((start, length))
        return content[start : start + length]

    def read(cache: BlockCache, start: int, length: int) -> bytes:
        return cache.read("m" * 32, len(content) - 5, start, length, fetch)

    cache = BlockCache(tmp_path)
    assert read(cache, BLOCK_BYTES + 7, 100) == content[BLOCK_BYTES + 7 : BLOCK_BYTES + 107]
    assert fetched == [(BLOCK_BYTES, BLOCK_BYTES)]
    assert read(cache, 0, 10**9) == content[:-5]
    assert fetched[1:] == [(0, BLOCK_BYTES), (2 * BLOCK_BYTES, 2 * BLOCK_BYTES - 5)]
    assert read(BlockCache(tmp_path), 0, 10**9) == content[:-5] and len(fetched) == 3
    damaged = tmp_path / f"{'m' * 32}.data"
    damaged.write_bytes(b"\0" * 9 + damaged.read_bytes()[9:])
    assert read(BlockCache(tmp_path), 0, 10**9) == content[:-5]
    assert fetched[3:] == [(0, BLOCK_BYTES)]
    BlockCache(tmp_path, most_bytes=BLOCK_BYTES)
    assert list(tmp_path.iterdir()) == []
