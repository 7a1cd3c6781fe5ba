"""When Iceberg tables are committed to, and the process that does it: killed, failing, and at work again."""

import os
import subprocess
from datetime import date
from pathlib import Path

import pytest

from addon.config.iceberg import Iceberg
from addon.settling.counted_files import counted_files
from addon.settling.iceberg_due import HOUR_S, REPLACED_AFTER_S, Difference, Differences, is_due
from addon.settling.iceberg_plan import NotAlone, change_of
from addon.settling.iceberg_process import Busy, commit_once
from addon.settling.iceberg_status import read_status
from addon.settling.iceberg_thread import IcebergThread
from addon.settling.named import noted_days
from addon.start_module import module_command, module_environment
from addon.storage.folders import Folders, tried_lock
from analysis.health.finding import BAD, GOOD
from analysis.health.tables import iceberg_tables
from tests.analysis.writing import made_up_rows, to_parquet
from tests.settling.test_iceberg import assert_same, forget, merge
from tests.waiting import wait_for

ROWS = made_up_rows(60)
DAY = date(2026, 11, 19)
HERE = "file:///data/lake/requests/date=2026-11-19"


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    data = tmp_path / "data"
    to_parquet(data, ROWS[:20], 0)
    to_parquet(data, ROWS[20:], 1)
    (data / "heliograph.toml").write_text(f'[iceberg]\ncatalog = "sqlite:///{tmp_path}/catalog.db"\n')
    return Folders(data)


@pytest.fixture
def chosen(tmp_path: Path) -> Iceberg:
    return Iceberg(catalog=f"sqlite:///{tmp_path}/catalog.db")


def test_a_change_is_what_counts_without_what_is_there() -> None:
    files = [f"{HERE}/{name}.parquet" for name in "abc"]
    change = change_of("requests", DAY, wanted=files[1:], noted=files[:2], there=files[:2])
    assert (change.add, change.remove) == (frozenset([files[2]]), frozenset([files[0]]))
    of_others = "s3://bucket/lake/requests/date=2026-11-19/z.parquet"
    assert change_of("requests", DAY, [], noted=[], there=[of_others]).remove == frozenset()


@pytest.mark.parametrize(
    "stranger",
    [
        "file:///data/tables/requests/data/started_at_day=2026-11-19/00000-0.parquet",
        "file:///data/lake/requests/date=2026-11-18/x.parquet",
        "file:///data/lake/bodies/date=2026-11-19/x.parquet",
        f"{HERE}/x.parquet/y",
    ],
)
def test_nothing_is_added_beside_files_that_are_not_of_heliograph(stranger: str) -> None:
    with pytest.raises(NotAlone, match="has not written"):
        change_of("requests", DAY, wanted=[f"{HERE}/a.parquet"], noted=[], there=[stranger])


def test_new_files_are_due_once_an_hour_after_its_end() -> None:
    new, spread_s, committed_at = Difference(has_new=True), 120.0, 1000 * HOUR_S + 300
    moments = [1000 * HOUR_S + 3599, 1001 * HOUR_S + 119, 1001 * HOUR_S + 120]
    assert [is_due(new, now, committed_at, committed_at, spread_s) for now in moments] == [False, False, True]
    assert is_due(new, 1000 * HOUR_S, 0.0, 0.0, spread_s)
    assert not is_due(Difference(), 2000 * HOUR_S, committed_at, 0.0, spread_s)


def test_replaced_files_are_due_soon_and_deleted_ones_at_once() -> None:
    replaced, missing = Difference(has_replaced=True), Difference(has_replaced=True, has_missing=True)
    for difference, after_s, due in [
        (replaced, REPLACED_AFTER_S - 1, False),
        (replaced, REPLACED_AFTER_S, True),
        (missing, 1.0, True),
    ]:
        assert is_due(difference, 5 * HOUR_S + after_s, 5 * HOUR_S, 5 * HOUR_S, 0.0) is due


def test_differences_are_seen_without_asking_the_catalog(folders: Folders, chosen: Iceberg) -> None:
    differences = Differences(folders, counted_files(folders, None))
    assert differences.all() == Difference(has_new=True)
    commit_once(folders, chosen, None, os.environ)
    assert not differences.all()
    to_parquet(folders.data, made_up_rows(63)[60:], 7)
    assert differences.all() == Difference(has_new=True)
    merge(folders, 0.0)
    assert differences.all() == Difference(has_new=True, has_replaced=True)
    commit_once(folders, chosen, None, os.environ)
    assert not differences.all()
    forget(folders)
    assert differences.all() == Difference(has_new=True, has_replaced=True, has_missing=True)
    commit_once(folders, chosen, None, os.environ)
    assert_same(folders, chosen)


def test_a_process_that_is_killed_at_work_loses_and_doubles_nothing(folders: Folders, chosen: Iceberg) -> None:
    command = module_command("addon.settling.iceberg_process", "--data", str(folders.data))
    process = subprocess.Popen(command, env=module_environment())
    try:
        wait_for(lambda: any(noted_days(folders)) or process.poll() is not None, 60)
    finally:
        process.kill()
        process.wait()
    for _ in range(2):
        commit_once(folders, chosen, None, os.environ)
        assert_same(folders, chosen)


def test_one_process_commits_at_a_time(folders: Folders, chosen: Iceberg) -> None:
    folders.iceberg.mkdir()
    with tried_lock(folders.iceberg / "lock") as ours, pytest.raises(Busy):
        assert ours
        commit_once(folders, chosen, None, os.environ)


def test_what_is_wrong_is_in_the_log_the_status_and_the_doctor_until_it_is_mended(
    folders: Folders, chosen: Iceberg, tmp_path: Path
) -> None:
    said: list[str] = []
    catalog = tmp_path / "catalog.db"
    catalog.mkdir()  # in the place of its file
    thread = IcebergThread(folders, None, said.append)
    thread.finish(300)
    assert len(said) == 1 and "its database file cannot be opened" in said[0] and "trying again" in said[0]
    status = read_status(folders)
    assert status and status.trouble and status.troubled_since
    assert status.waiting_files == 4, "small files were merged before"
    assert [finding.level for finding in iceberg_tables(folders.data, None)] == [BAD, BAD]
    catalog.rmdir()
    IcebergThread(folders, None, said.append).finish(300)
    status = read_status(folders)
    assert status and (status.trouble, status.waiting_files) == (None, 0) and status.committed_at
    assert [finding.level for finding in iceberg_tables(folders.data, None)] == [GOOD, GOOD]
    assert_same(folders, chosen)


def test_without_the_section_nothing_is_kept_for_tables(folders: Folders, chosen: Iceberg) -> None:
    commit_once(folders, chosen, None, os.environ)
    assert list(noted_days(folders))
    (folders.data / "heliograph.toml").write_text("")
    IcebergThread(folders, None, print).finish(300)
    assert not list(noted_days(folders)) and read_status(folders) is None
