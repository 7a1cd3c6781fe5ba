"""Iceberg tables of a lake in a folder: they have the rows that our own reader has, read by two engines, whatever changes here."""

import itertools
import math
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from datafusion import SessionContext
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from addon.config.iceberg import Iceberg
from addon.settling.compact import only_merger
from addon.settling.iceberg_catalog import CatalogTrouble, location_of, open_catalog
from addon.settling.iceberg_commit import expired_of
from addon.settling.iceberg_round import Committer
from addon.settling.merge import finish_merges, merge_day
from addon.settling.named import GONE_S, LONGEST_HOLD_S
from addon.settling.rewrite import empty, rewrite
from addon.storage.folders import Folders
from addon.storage.lake import time_column, visible_day
from addon.storage.record import CALL_TABLES, TABLES, EventRow, FeedbackRow, ScoreRow
from analysis.lake import Lake
from tests.analysis.writing import made_up_rows, tell, to_parquet
from tests.settling.catalogs import catalog_for
from tests.settling.kills import killed_before_each_step

ROWS = made_up_rows(60)
FIRST, SECOND = date(2026, 11, 19), date(2026, 11, 20)
DROPPED = pa.array([ROWS[0].request_id, ROWS[-1].request_id])


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    data = tmp_path / "data"
    for number in range(3):
        to_parquet(data, ROWS[20 * number : 20 * number + 20], number)
    return Folders(data)


@pytest.fixture
def chosen(tmp_path: Path) -> Iceberg:
    return catalog_for(tmp_path)


def committer(folders: Folders, chosen: Iceberg, **given: Any) -> Committer:
    return Committer(folders, chosen, None, os.environ, **given)


def opened(chosen: Iceberg) -> Catalog:
    return open_catalog(chosen, os.environ)


def table_of(chosen: Iceberg, name: str = "requests") -> Table:
    return opened(chosen).load_table(f"{chosen.namespace}.{name}")


def by_pyiceberg(chosen: Iceberg, table: str) -> tuple[int, int | None]:
    rows = table_of(chosen, table).scan().to_arrow()
    return rows.num_rows, pc.sum(rows["cost_nanousd"]).as_py() if table == "requests" else None


def registered(chosen: Iceberg, table: str) -> SessionContext:
    found, context = table_of(chosen, table), SessionContext()
    texts = {name: value for name, value in found.io.properties.items() if isinstance(value, str)}
    found.io.properties = texts  # a REST catalog puts objects among them, which Rust does not take
    context.register_table(table, found)
    return context


def by_datafusion(chosen: Iceberg, table: str) -> tuple[int, int | None]:
    """Apache's Iceberg in Rust reads metadata and files; of pyiceberg it gets only where the metadata is."""
    context = registered(chosen, table)
    cost = "sum(cost_nanousd)" if table == "requests" else "cast(null as bigint)"
    (row,) = context.sql(f"select count(*) as calls, {cost} as cost from {table}").to_pylist()
    return row["calls"], row["cost"]


def by_ourselves(folders: Folders, table: str) -> tuple[int, int | None]:
    cost = "sum(cost_nanousd)::bigint" if table == "requests" else "null"
    found = Lake(folders.data).ask(lambda asked: asked.execute(f"select count(*), {cost} from {table}").fetchone())
    assert found
    return found[0], found[1]


def assert_same(folders: Folders, chosen: Iceberg) -> None:
    """Both engines read what our own reader reads."""
    for table in CALL_TABLES:
        ours = by_ourselves(folders, table)
        assert by_pyiceberg(chosen, table) == by_datafusion(chosen, table) == ours, table


def merge(folders: Folders, now: float = math.inf) -> None:
    with only_merger(folders):
        for table, day in itertools.product(("requests", "bodies"), (FIRST, SECOND)):
            merge_day(folders, table, day)
            finish_merges(folders, table, day, now)


def test_two_engines_read_the_rows_of_every_table(folders: Folders, chosen: Iceberg) -> None:
    request_id, moment = ROWS[0].request_id, ROWS[0].started_at
    said: list[EventRow] = [
        FeedbackRow(request_id=request_id, created_at=moment, rating=True),
        ScoreRow(request_id=request_id, created_at=moment, name="good", value=0.5),
    ]
    tell(folders.data, said, 9, parquet=True)
    done = committer(folders, chosen).round()
    assert (done.added, done.removed, done.commits, done.refused) == (10, 0, 4, [])
    assert_same(folders, chosen)
    assert by_pyiceberg(chosen, "scores") == by_datafusion(chosen, "feedback") == (1, None)
    context = registered(chosen, "requests")
    by_rust = {row["request_id"]: row for row in context.table("requests").to_pylist()}
    by_python = {row["request_id"]: row for row in table_of(chosen).scan().to_arrow().to_pylist()}
    for row in ROWS:
        for there in (by_rust[row.request_id], by_python[row.request_id]):
            assert (there["cost_nanousd"], there["started_at"]) == (row.cost_nanousd, row.started_at)
        # Iceberg in Rust gives NULL for lists and maps of files without field ids (docs/iceberg.md).
        there = by_python[row.request_id]
        assert dict(there["properties"]) == row.properties and there["finish_reasons"] == ["stop"]
    assert committer(folders, chosen).round().commits == 0


def test_tables_have_schema_partition_order_and_names_for_files_without_field_ids(
    folders: Folders, chosen: Iceberg
) -> None:
    committer(folders, chosen).round()
    table = table_of(chosen)
    assert [field.name for field in table.schema().fields] == pq.read_schema(
        visible_day(folders.lake_day("requests", FIRST))[0]
    ).names
    assert [(field.name, str(field.transform)) for field in table.spec().fields] == [("started_at_day", "day")]
    assert [field.source_id for field in table.sort_order().fields] == [
        table.schema().find_field(time_column("requests")).field_id
    ]
    assert table.name_mapping() is not None and table.metadata.format_version == 2
    paths = {task.file.file_path for task in table.scan().plan_files()}
    assert paths == {f"file://{path}" for path in folders.data.glob("lake/requests/*/*.parquet")}, "no second copy"


def change_costs(rows: pa.Table) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index("cost_nanousd"), "cost_nanousd", pa.array([7] * len(rows)))


def drop(rows: pa.Table) -> pa.Table:
    return rows.filter(pc.invert(pc.is_in(rows["request_id"], value_set=DROPPED)))


def reprice(folders: Folders) -> None:
    with only_merger(folders):
        rewrite(folders, "requests", FIRST, pc.field("cost_nanousd") > 0, change_costs)


def forget(folders: Folders) -> None:
    with only_merger(folders):
        for table, day in itertools.product(("requests", "bodies"), (FIRST, SECOND)):
            rewrite(folders, table, day, pc.field("request_id").isin(DROPPED), drop)
            finish_merges(folders, table, day, math.inf)


def expire(folders: Folders) -> None:
    with only_merger(folders):
        for path in visible_day(folders.lake_day("bodies", FIRST)):
            empty(path, "bodies", FIRST)
        finish_merges(folders, "bodies", FIRST, math.inf)


CHANGES: dict[str, Callable[[Folders], object]] = {
    "late rows": lambda folders: to_parquet(folders.data, made_up_rows(63)[60:], 7),
    "merge": merge,
    "reprice": reprice,
    "forget": forget,
    "retention": expire,
}


def test_each_change_of_the_lake_is_one_commit_and_both_engines_follow(folders: Folders, chosen: Iceberg) -> None:
    committer(folders, chosen).round()
    for what, change in CHANGES.items():
        change(folders)
        before = len(table_of(chosen).snapshots()), len(table_of(chosen, "bodies").snapshots())
        done = committer(folders, chosen).round()
        after = len(table_of(chosen).snapshots()), len(table_of(chosen, "bodies").snapshots())
        assert done.commits == sum(after) - sum(before) <= 2 and done.commits, what
        assert_same(folders, chosen)
    assert by_pyiceberg(chosen, "bodies")[0] < by_pyiceberg(chosen, "requests")[0] == 61


def test_a_file_of_an_older_version_has_null_in_newer_columns(folders: Folders, chosen: Iceberg) -> None:
    (path, *_) = sorted(folders.lake_day("requests", FIRST).glob("*.parquet"))
    pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["agent", "repriced"]), path)
    committer(folders, chosen).round()
    assert_same(folders, chosen)
    context = registered(chosen, "requests")
    assert context.sql("select count(agent) as known from requests").to_pylist() == [{"known": 0}]


def test_a_table_of_an_older_version_gets_the_newer_columns(folders: Folders, chosen: Iceberg) -> None:
    committer(folders, chosen).round()
    with table_of(chosen).update_schema(allow_incompatible_changes=True) as update:
        update.delete_column("agent")
    to_parquet(folders.data, [replace(made_up_rows(61)[60], agent="codex")], 7)
    committer(folders, chosen).round()
    assert_same(folders, chosen)
    assert "codex" in table_of(chosen).scan(selected_fields=("agent",)).to_arrow()["agent"].to_pylist()


def test_rows_are_there_once_wherever_it_is_killed(folders: Folders, chosen: Iceberg) -> None:
    """Killed before each step in turn, of the first round and after each change of the lake."""

    def killed(gathers: bool = False) -> set[str]:
        steps = killed_before_each_step(lambda step: committer(folders, chosen, step=step).round(gathers=gathers))
        return {what.partition(" ")[0] for what in steps}

    assert killed() == {"note", "open", "commit"}
    assert_same(folders, chosen)
    for what in ("merge", "forget"):
        CHANGES[what](folders)
        assert "commit" in killed()
        assert_same(folders, chosen)
    for number in range(70, 73):
        to_parquet(folders.data, made_up_rows(100)[number : number + 1], number)
    assert killed(gathers=True) == {"merge", "note", "open", "commit"}
    assert_same(folders, chosen)


def test_files_that_a_merge_replaced_are_kept_until_no_table_names_them(folders: Folders, chosen: Iceberg) -> None:
    committer(folders, chosen).round()
    merge(folders, time.time() + GONE_S)  # the grace of our own readers is over
    day = folders.lake_day("requests", FIRST)
    assert len(list(day.glob("*.parquet"))) == 3
    assert by_datafusion(chosen, "requests")[0] == 60, "the table is still that of the last commit"
    committer(folders, chosen).round()
    merge(folders, time.time() + GONE_S / 2)
    assert len(list(day.glob("*.parquet"))) == 3, "a query may still read them"
    merge(folders, time.time() + GONE_S + 60)
    assert len(list(day.glob("*.parquet"))) == 1 and not list(day.glob("*.replaces"))
    assert_same(folders, chosen)


def test_a_catalog_that_is_away_for_a_day_keeps_no_file(folders: Folders, chosen: Iceberg) -> None:
    committer(folders, chosen).round()
    merge(folders, time.time() + LONGEST_HOLD_S + 60)
    assert len(list(folders.lake_day("requests", FIRST).glob("*.parquet"))) == 1
    committer(folders, chosen).round()
    assert_same(folders, chosen)


def test_a_commit_of_another_proxy_in_between_is_planned_again(
    tmp_path: Path, folders: Folders, chosen: Iceberg
) -> None:
    other = Folders(tmp_path / "other")
    to_parquet(other.data, made_up_rows(100)[60:], 5)
    waited: list[float] = []

    def step(what: str) -> None:
        if what.startswith("commit") and not waited:
            committer(other, chosen).round()

    committer(folders, chosen, step=step, pause=waited.append).round()
    assert waited
    assert by_pyiceberg(chosen, "requests") == by_datafusion(chosen, "requests")
    assert by_pyiceberg(chosen, "requests")[0] == 100, "two folders in one namespace: each row once"
    merge(folders)
    done = committer(folders, chosen).round()
    assert done.removed == 8 and by_datafusion(chosen, "requests")[0] == 100
    assert by_datafusion(chosen, "bodies")[0] == 100


def test_a_table_that_was_compacted_by_another_program_gets_nothing_twice(folders: Folders, chosen: Iceberg) -> None:
    committer(folders, chosen).round()
    table = table_of(chosen)
    table.overwrite(table.scan().to_arrow())  # as Spark's rewrite_data_files: other files with the same rows
    to_parquet(folders.data, made_up_rows(61)[60:], 7)
    done = committer(folders, chosen).round(checks_all=True)
    assert len(done.refused) == 2 and "Was it compacted" in done.refused[0]
    assert by_pyiceberg(chosen, "requests")[0] == 60 and by_pyiceberg(chosen, "bodies")[0] == 61
    opened(chosen).drop_table(f"{chosen.namespace}.requests")
    assert committer(folders, chosen).round().refused == []
    assert_same(folders, chosen)


def test_files_that_were_taken_out_by_hand_come_back(folders: Folders, chosen: Iceberg) -> None:
    committer(folders, chosen).round()
    table_of(chosen).delete("started_at >= '2026-11-20T00:00:00+00:00'")
    assert by_pyiceberg(chosen, "requests")[0] == 30
    assert committer(folders, chosen).round().commits == 0, "nothing has changed here, so nothing is asked"
    committer(folders, chosen).round(checks_all=True)
    assert_same(folders, chosen)


def test_a_table_that_was_rolled_back_gets_what_counts_now(folders: Folders, chosen: Iceberg) -> None:
    committer(folders, chosen).round()
    first = table_of(chosen).current_snapshot()
    assert first
    merge(folders, time.time())
    committer(folders, chosen).round()
    table_of(chosen).manage_snapshots().rollback_to_snapshot(first.snapshot_id).commit()
    committer(folders, chosen).round(checks_all=True)
    assert_same(folders, chosen)


def test_a_copy_of_the_folder_adds_nothing_and_is_told(tmp_path: Path, folders: Folders, chosen: Iceberg) -> None:
    committer(folders, chosen).round()
    copy = Folders(tmp_path / "copy")
    shutil.copytree(folders.data / "lake", copy.data / "lake")
    done = committer(copy, chosen).round()
    assert len(done.refused) == 4 and "two copies of one data folder" in done.refused[0]
    assert_same(folders, chosen)


def test_a_folder_that_was_moved_names_its_files_where_they_are(
    tmp_path: Path, folders: Folders, chosen: Iceberg
) -> None:
    chosen = replace(chosen, warehouse=f"file://{tmp_path}/warehouse")
    committer(folders, chosen).round()
    moved = Folders(tmp_path / "moved")
    folders.data.rename(moved.data)
    committer(moved, chosen).round()
    assert_same(moved, chosen)


def test_another_namespace_gets_all_files(folders: Folders, chosen: Iceberg) -> None:
    committer(folders, chosen).round()
    other = replace(chosen, namespace=f"{chosen.namespace}_2")
    committer(folders, other).round(checks_all=True)
    assert_same(folders, other)


def test_snapshots_are_in_the_order_of_time_though_a_clock_was_wrong(folders: Folders, chosen: Iceberg) -> None:
    committer(folders, chosen).round()
    table = table_of(chosen)
    path = Path(table.metadata_location.removeprefix("file://"))
    metadata = orjson.loads(path.read_bytes())
    ahead = metadata["last-updated-ms"] + 3_600_000  # committed by a machine whose clock is an hour ahead
    metadata["last-updated-ms"] = ahead
    metadata["snapshots"][0]["timestamp-ms"] = metadata["snapshot-log"][0]["timestamp-ms"] = ahead
    path.write_bytes(orjson.dumps(metadata))
    merge(folders)
    committer(folders, chosen).round()
    times = [entry.timestamp_ms for entry in table_of(chosen).metadata.snapshot_log]
    assert times == [ahead, ahead + 1]
    assert_same(folders, chosen)


def test_old_snapshots_are_expired_in_batches_and_those_in_use_stay() -> None:
    hour_ms = 3_600_000
    times = {number: number * 1000 for number in range(99)}
    assert expired_of(times, kept=(), now_ms=10 * hour_ms) == []
    times[99] = 99_000
    assert expired_of(times, kept=(3,), now_ms=10 * hour_ms) == [number for number in range(50) if number != 3]
    assert expired_of(times, kept=(), now_ms=hour_ms + 10_500) == list(range(11)), "an hour is for queries under way"


@pytest.mark.parametrize(
    ("catalog", "told"),
    [
        ("sqlite:////nowhere/at/all/catalog.db", "its database file cannot be opened"),
        ("http://127.0.0.1:9/", "it cannot be reached"),
        ("postgresql+nodriver://user:pass-word@127.0.0.1:9/db", "a Python package is missing"),
    ],
)
def test_a_catalog_that_does_not_work_is_told_without_its_password(folders: Folders, catalog: str, told: str) -> None:
    with pytest.raises(CatalogTrouble, match=told) as found:
        committer(folders, Iceberg(catalog=catalog)).round()
    assert "pass-word" not in str(found.value)


def test_a_table_of_somebody_else_is_left_alone(folders: Folders, chosen: Iceberg) -> None:
    catalog = opened(chosen)
    catalog.create_namespace(chosen.namespace)
    location = location_of(chosen, folders, None, "theirs")
    theirs = pa.schema([("request_id", pa.string())])
    catalog.create_table(f"{chosen.namespace}.requests", theirs, location=location)
    done = committer(folders, chosen).round()
    assert done.refused == [
        f"{chosen.namespace}.requests is not a table of heliograph; set another namespace in [iceberg]"
    ]
    assert by_pyiceberg(chosen, "bodies")[0] == 60
    assert table_of(chosen).current_snapshot() is None


def test_every_table_of_the_record_can_be_made(folders: Folders, chosen: Iceberg) -> None:
    from addon.settling.iceberg_commit import open_table

    catalog = opened(chosen)
    made = [open_table(catalog, chosen.namespace, table, location_of(chosen, folders, None, table)) for table in TABLES]
    assert [table.name()[-1] for table in made] == list(TABLES)
