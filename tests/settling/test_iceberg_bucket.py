"""Iceberg tables of a lake in a bucket: the objects that proxies have shipped, named by tables of all of them."""

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner
from datafusion import SessionContext
from pyiceberg.table import Table

from addon.commands.cli import main
from addon.config.iceberg import Iceberg
from addon.config.shipping import Shipping
from addon.objects.store import Store
from addon.settling.iceberg_catalog import CatalogTrouble, open_catalog
from addon.settling.iceberg_round import Committer
from addon.settling.named import GONE_S
from addon.settling.shipped import owner_of
from addon.settling.shipping import Shipper
from addon.storage.folders import Folders
from tests.analysis.writing import made_up_rows, to_parquet
from tests.buckets import make_bucket, s3_server, stored_ids, use
from tests.settling.catalogs import as_settings, catalog_for
from tests.settling.test_iceberg import merge

ROWS = made_up_rows(60)
FIRST = date(2026, 11, 19)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def url(server: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    use(monkeypatch, server)
    return make_bucket(server, f"tables-{abs(hash(request.node.name)):x}")


@pytest.fixture
def chosen(tmp_path: Path) -> Iceberg:
    return catalog_for(tmp_path)


def proxy(tmp_path: Path, number: int) -> Folders:
    """A data folder with ten calls of its own."""
    folders = Folders(tmp_path / f"proxy-{number}")
    to_parquet(folders.data, ROWS[10 * number : 10 * number + 5], 2 * number)
    to_parquet(folders.data, ROWS[10 * number + 5 : 10 * number + 10], 2 * number + 1)
    return folders


def table_of(chosen: Iceberg, name: str = "requests") -> Table:
    return open_catalog(chosen, os.environ).load_table(f"{chosen.namespace}.{name}")


def ids_by_datafusion(chosen: Iceberg) -> Counter[str]:
    table = table_of(chosen)
    access = {"AWS_ACCESS_KEY_ID": "s3.access-key-id", "AWS_SECRET_ACCESS_KEY": "s3.secret-access-key"}
    texts = {name: value for name, value in table.io.properties.items() if isinstance(value, str)}
    table.io.properties = texts | {name: os.environ[variable] for variable, name in access.items()}
    table.io.properties["s3.path-style-access"] = "true"  # moto has no host for each bucket
    context = SessionContext()
    context.register_table("requests", table)
    return Counter(row["request_id"] for row in context.sql("select request_id from requests").to_pylist())


def ids_by_pyiceberg(chosen: Iceberg) -> Counter[str]:
    return Counter(table_of(chosen).scan(selected_fields=("request_id",)).to_arrow()["request_id"].to_pylist())


def assert_same(store: Store, chosen: Iceberg) -> None:
    assert ids_by_pyiceberg(chosen) == ids_by_datafusion(chosen) == stored_ids(store)


def test_objects_are_named_as_they_are_and_kept_until_no_table_names_them(
    tmp_path: Path, url: str, chosen: Iceberg
) -> None:
    store, folders = Store(url), proxy(tmp_path, 0)
    moment = [0.0]
    shipper = Shipper(folders, store, clock=lambda: moment[0])
    committer = Committer(folders, chosen, url, os.environ, clock=lambda: moment[0])
    shipper.round()
    assert committer.round().commits == 2
    assert_same(store, chosen)
    objects = {f"{url}/{found.path}" for found in store.list("lake/requests/")}
    assert {task.file.file_path for task in table_of(chosen).scan().plan_files()} == objects

    merge(folders)
    shipper.round()
    moment[0] += GONE_S
    shipper.round()
    assert ids_by_datafusion(chosen) == stored_ids(store), "the table of the last commit can still be read"
    assert committer.round().removed == 4
    assert_same(store, chosen)
    moment[0] += GONE_S
    shipper.round()
    assert len(list(store.list(f"lake/requests/date={FIRST}/"))) == 1
    assert_same(store, chosen)


def test_calls_that_are_forgotten_in_the_bucket_only_go_from_the_tables(
    tmp_path: Path, url: str, chosen: Iceberg
) -> None:
    store, folders = Store(url), proxy(tmp_path, 0)
    (folders.data / "heliograph.toml").write_text(f'lake = "{url}"\n{as_settings(chosen)}')
    later = time.time() + 400 * 86_400
    shipper = Shipper(folders, store, clock=lambda: later)
    shipper.round()
    assert Committer(folders, chosen, url, os.environ).round().commits == 2
    shipper.release(Shipping(max_local_bytes=2**40))
    assert not list(folders.data.glob("lake/*/*/*.parquet"))
    told = CliRunner().invoke(main, ["forget", "--user", "ann", "--yes", "--data", str(folders.data)])
    assert told.exit_code == 0, told.output
    assert stored_ids(store) == Counter(row.request_id for row in ROWS[:10] if row.user_id != "ann")
    assert_same(store, chosen)


def test_tables_follow_a_folder_that_took_the_place_of_a_lost_one(tmp_path: Path, url: str, chosen: Iceberg) -> None:
    store, lost, new = Store(url), proxy(tmp_path, 0), Folders(tmp_path / "new")
    Shipper(lost, store).round()
    assert Committer(lost, chosen, url, os.environ).round().commits == 2
    new.data.mkdir(mode=0o700)
    (new.data / "heliograph.toml").write_text(f'lake = "{url}"\n{as_settings(chosen)}')
    for arguments in (["ship", "--take-over", owner_of(lost)], ["forget", "--user", "ann", "--yes"]):
        told = CliRunner().invoke(main, [*arguments, "--data", str(new.data)])
        assert told.exit_code == 0, told.output
    assert stored_ids(store) == Counter(row.request_id for row in ROWS[:10] if row.user_id != "ann")
    assert_same(store, chosen)


def test_tables_of_glue_are_read_by_two_engines_and_follow_a_merge(tmp_path: Path, url: str, server: str) -> None:
    """moto's Glue, one proxy after the other: it does not compare versions of tables, as AWS does."""
    store, proxies = Store(url), [proxy(tmp_path, number) for number in range(2)]
    chosen = Iceberg(catalog="glue", namespace=f"of_{tmp_path.name[:20]}".lower(), properties={"glue.endpoint": server})
    for folders in proxies:
        Shipper(folders, store).round()
        assert Committer(folders, chosen, url, os.environ).round().refused == []
    assert_same(store, chosen)
    assert table_of(chosen).location() == f"{url}/iceberg/{chosen.namespace}/requests"
    merge(proxies[0])
    Shipper(proxies[0], store).round()
    assert Committer(proxies[0], chosen, url, os.environ).round().removed == 4
    assert_same(store, chosen)


def test_proxies_that_commit_at_the_same_time_lose_and_double_nothing(
    tmp_path: Path, url: str, chosen: Iceberg
) -> None:
    store, proxies = Store(url), [proxy(tmp_path, number) for number in range(2)]
    for folders in proxies:
        Shipper(folders, store).round()
    trouble: list[BaseException] = []

    def commit(folders: Folders) -> None:
        committer = Committer(folders, chosen, url, os.environ)
        for _ in range(20):
            try:
                committer.round()
                return
            except CatalogTrouble as error:  # others were first too often, or SQLite was locked: the next round goes on
                last = error
        trouble.append(last)

    for merged in (False, True):
        if merged:
            for folders in proxies:
                merge(folders)
                Shipper(folders, store).round()
        threads = [threading.Thread(target=commit, args=(folders,)) for folders in proxies]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not trouble
        assert_same(store, chosen)
        assert sum(stored_ids(store).values()) == 20


def test_a_lake_that_moves_into_a_bucket_takes_its_table_along(tmp_path: Path, url: str, chosen: Iceberg) -> None:
    store, folders = Store(url), proxy(tmp_path, 0)
    Committer(folders, chosen, None, os.environ).round()
    Shipper(folders, store).round()
    done = Committer(folders, chosen, url, os.environ).round()
    assert (done.added, done.removed) == (4, 4)
    assert_same(store, chosen)


def test_a_store_that_refuses_is_told_in_words(
    tmp_path: Path, url: str, chosen: Iceberg, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = proxy(tmp_path, 0)
    Shipper(folders, Store(url)).round()
    with pytest.raises(CatalogTrouble, match="there is no such bucket"):
        Committer(folders, replace(chosen, warehouse="s3://no-such-bucket-here/tables"), url, os.environ).round()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(CatalogTrouble, match="cannot be reached"):
        Committer(folders, chosen, url, os.environ).round()
    monkeypatch.undo()
