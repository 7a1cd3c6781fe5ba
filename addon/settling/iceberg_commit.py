"""One Iceberg table: which files it names, and a commit that takes some out and puts others in. Imports pyiceberg.

Files are added as they are. A commit holds only if nobody has committed since the table was read: else Conflict is raised, and
the caller reads and plans again.
"""

import contextlib
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from typing import Any, Final

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NoSuchTableError,
    TableAlreadyExistsError,
    ValidationException,
)
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import parquet_file_to_data_file
from pyiceberg.manifest import DataFile, ManifestContent, ManifestFile
from pyiceberg.table import Table, Transaction
from pyiceberg.table.snapshots import Operation, Snapshot
from pyiceberg.table.update import AddSnapshotUpdate, UpdatesAndRequirements
from pyiceberg.table.update.snapshot import ExpireSnapshots, _ManifestMergeManager, _OverwriteFiles

from addon.settling.iceberg_plan import NotAlone
from addon.settling.iceberg_schema import MARK, field_type, partition_of, properties_of, schema_of, sort_order_of
from addon.storage.lake import column_types, time_column

# Older snapshots are expired, so many at a time; those of the last minutes may still be read.
MOST_SNAPSHOTS: Final = 100
KEPT_SNAPSHOTS: Final = 50
_IN_USE_S: Final = 3600.0
_FEW_DAYS: Final = 20  # that a question for files names one by one
_EPOCH: Final = date(1970, 1, 1)


class Conflict(Exception):
    """Somebody else has committed to the table meanwhile. Nothing was changed."""


def open_table(catalog: Catalog, namespace: str, table: str, location: str | None) -> Table:
    """The table; made if it is missing, with our newer columns added. Raises NotAlone, Conflict, and what pyiceberg raises."""
    name = f"{namespace}.{table}"
    try:
        found = catalog.load_table(name)
    except NoSuchTableError:
        found = _made(catalog, namespace, table, location)
    if found.properties.get(MARK) != table:
        raise NotAlone(f"{name} is not a table of heliograph; set another namespace in [iceberg]")
    return _with_columns(found, table)


def _made(catalog: Catalog, namespace: str, table: str, location: str | None) -> Table:
    name, schema = f"{namespace}.{table}", schema_of(table)
    with contextlib.suppress(NamespaceAlreadyExistsError):  # by another proxy, a moment ago
        catalog.create_namespace_if_not_exists(namespace)
    try:
        return catalog.create_table(
            name,
            schema,
            location=location,
            partition_spec=partition_of(table, schema),
            sort_order=sort_order_of(table, schema),
            properties=properties_of(table, schema),
        )
    except TableAlreadyExistsError:
        return catalog.load_table(name)


def _with_columns(found: Table, table: str) -> Table:
    """A newer heliograph may have more columns, an older one fewer: none is removed."""
    kinds = column_types(table)
    there = {field.name: field for field in found.schema().fields}
    new = [name for name in kinds if name not in there]
    for name, kind in kinds.items():
        wanted = field_type(kind, iter(range(1, 3)))
        if name in there and type(there[name].field_type) is not type(wanted):
            raise NotAlone(
                f"the table {table} has a column {name} of type {there[name].field_type}, not {wanted}: was it changed by"
                " another program? Drop it in the catalog without its files (no purge); it is made anew"
            )
    if new:
        try:
            with found.update_schema() as update:
                for name in new:
                    update.add_column(name, field_type(kinds[name], iter(range(1, 3))))
        except CommitFailedException as error:
            raise Conflict from error
    return found


def files_of(found: Table, table: str, days: Collection[date]) -> dict[date, dict[str, DataFile]]:
    """The files of some days that the table names now: day -> location -> file."""
    if not days or found.current_snapshot() is None:
        return {}
    there: dict[date, dict[str, DataFile]] = {}
    for task in found.scan(row_filter=_of_days(time_column(table), days)).plan_files():
        day = _EPOCH + timedelta(days=_day_number(task.file))
        if day in days:
            there.setdefault(day, {})[task.file.file_path] = task.file
    return there


def _day_number(file: DataFile) -> int:
    value: Any = file.partition[0]
    return (value - _EPOCH).days if isinstance(value, date) else int(value)


def _of_days(column: str, days: Collection[date]) -> str:
    """A condition in pyiceberg's words that all rows of these days fit."""
    ordered = sorted(days)
    spans = [(day, day) for day in ordered] if len(ordered) <= _FEW_DAYS else [(ordered[0], ordered[-1])]
    return " or ".join(
        f"({column} >= '{_start(first)}' and {column} < '{_start(last + timedelta(days=1))}')" for first, last in spans
    )


def _start(day: date) -> str:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).isoformat()


def described(found: Table, locations: Iterable[str]) -> list[DataFile]:
    """What the table is to know of each file: its rows, its day, the bounds of its columns. Reads the ends of the files."""
    return [parquet_file_to_data_file(found.io, found.metadata, location) for location in locations]


def commit(found: Table, add: Iterable[DataFile], remove: Iterable[DataFile]) -> None:
    """One snapshot. Old snapshots are expired with it, their own files deleted after it.
    Raises Conflict, and what pyiceberg raises; then it may have been done nevertheless."""
    expired = _to_expire(found)
    gone = list(remove)
    operation = Operation.OVERWRITE if gone else Operation.APPEND  # a reader of only what is new can read an append
    try:
        with found.transaction() as transaction:
            with _Replace(transaction, found.io, operation) as replace:
                for file in add:
                    replace.append_data_file(file)
                for file in gone:
                    replace.delete_data_file(file)
            if expired:
                ExpireSnapshots(transaction).by_ids([snapshot.snapshot_id for snapshot in expired]).commit()
    except (CommitFailedException, ValidationException) as error:
        raise Conflict from error
    if expired:
        _delete_files_of(expired, found)


class _Replace(_OverwriteFiles):
    """pyiceberg's own, with three things that it lacks: few manifests, time that does not go back, and no manifest that only
    tells what went long ago."""

    def __init__(self, transaction: Transaction, io: FileIO, operation: Operation) -> None:
        super().__init__(operation, transaction, io)

    def _process_manifests(self, manifests: list[ManifestFile]) -> list[ManifestFile]:
        alive = [
            each
            for each in manifests
            if each.added_snapshot_id == self._snapshot_id or each.has_added_files() or each.has_existing_files()
        ]
        data = [each for each in alive if each.content == ManifestContent.DATA]
        properties = self._transaction.table_metadata.properties
        manager = _ManifestMergeManager(
            target_size_bytes=8 * 2**20,
            min_count_to_merge=int(properties.get("commit.manifest.min-count-to-merge", 30)),
            merge_enabled=True,
            snapshot_producer=self,
        )
        return manager.merge_manifests(data) + [each for each in alive if each.content != ManifestContent.DATA]

    def _commit(self) -> UpdatesAndRequirements:
        """Snapshots must be in the order of their times, or some engines refuse the table: the clock of the machine that
        committed before may be ahead of ours."""
        updates, requirements = super()._commit()
        earliest = self._transaction.table_metadata.last_updated_ms + 1
        return tuple(_not_before(each, earliest) for each in updates), requirements


def _not_before(update: Any, earliest_ms: int) -> Any:
    if isinstance(update, AddSnapshotUpdate) and update.snapshot.timestamp_ms < earliest_ms:
        return AddSnapshotUpdate(snapshot=update.snapshot.model_copy(update={"timestamp_ms": earliest_ms}))
    return update


def _to_expire(found: Table) -> list[Snapshot]:
    times = {each.snapshot_id: each.timestamp_ms for each in found.metadata.snapshots}
    kept = [ref.snapshot_id for ref in found.metadata.refs.values()]
    chosen = set(expired_of(times, kept, int(datetime.now(UTC).timestamp() * 1000)))
    return [each for each in found.metadata.snapshots if each.snapshot_id in chosen]


def expired_of(times: Mapping[int, int], kept: Collection[int], now_ms: int) -> list[int]:
    """Of snapshots and their times in epoch ms those to expire: none while there are few, else all but the newest, as far as
    no query can still be reading them. `kept`: those that a branch or tag names."""
    if len(times) < MOST_SNAPSHOTS:
        return []
    old = sorted(times, key=lambda each: times[each])[:-KEPT_SNAPSHOTS]
    return [each for each in old if each not in kept and now_ms - times[each] >= _IN_USE_S * 1000]


def _delete_files_of(expired: Collection[Snapshot], found: Table) -> None:
    """Deletes the manifests that only expired snapshots name. Data files are the lake's: they are left alone."""
    used = {each.manifest_path for snapshot in found.metadata.snapshots for each in snapshot.manifests(found.io)}
    unused = {each.manifest_path for snapshot in expired for each in snapshot.manifests(found.io)} - used
    for path in chain(unused, (snapshot.manifest_list for snapshot in expired)):
        try:
            found.io.delete(path)
        except FileNotFoundError:
            continue
