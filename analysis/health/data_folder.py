"""The doctor on a data folder: settings, room, certificates, files that cannot be read, calls without a price. Changes nothing."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from addon.config.remote_copy import place_of, source_of
from addon.config.settings import load_what_can_be_read
from addon.storage.sizes import size_text
from analysis.health.finding import BAD, GOOD, MOST_NAMED, NOTE, Finding
from analysis.health.shared_store import shared_store
from analysis.health.tables import iceberg_tables

if TYPE_CHECKING:
    from analysis.lake import Lake

_ENOUGH_FREE_BYTES: Final = 2**30
_LARGEST_DAYS: Final = 3  # that are named, of each table


def data_findings(
    data: Path, config: Path | None, *, lake: "Lake | None" = None, prices: bool = True
) -> Iterator[Finding]:
    """`lake`: of this folder, where one is open. `prices`: calls without one, too, of all days."""
    yield from _settings(data, config)
    if not data.exists():
        yield _missing(data)
        return
    yield from _folder(data)
    if data.is_dir() and not _refused(data):
        yield from _certificates(data)
        yield from _files(data)
        yield from _disk_use(data)
        yield from _journal(data)
        yield from _cache(data)
        yield from shared_store(data, config)
        yield from _from_rows(data, lake, prices=prices)
        yield from _alerts(data, config)
        yield from _retention(data, config)
        yield from _lake(data, config)
        yield from _fleet(data, config)
        yield from iceberg_tables(data, config)


def _settings(data: Path, config: Path | None) -> Iterator[Finding]:
    settings, problems = load_what_can_be_read(data, config, environ=os.environ)
    for problem in problems:
        yield Finding(BAD, "settings", problem.text)
    if (source := source_of(settings.config)) and source.problem:
        yield Finding(BAD, "settings", f"{source.problem}; the last good copy is in force")
    elif not problems:
        yield Finding(GOOD, "settings", place_of(settings.config) if settings.config.exists() else "defaults")


def _missing(data: Path) -> Finding:
    """A folder that nobody made yet, which may be a mistyped one; or one that cannot be made."""
    above = next(parent for parent in data.parents if parent.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        reason = "is not a folder" if not above.is_dir() else "cannot be written by you"
        return Finding(
            BAD,
            "data",
            f"{data} does not exist and cannot be made: {above} {reason}; choose another folder with --data or $HELIOGRAPH_DATA",
        )
    return Finding(
        NOTE,
        "data",
        f"{data} does not exist; `heliograph up` or `run` makes it. Are your calls elsewhere? Name the folder with --data or $HELIOGRAPH_DATA",
    )


def _folder(data: Path) -> Iterator[Finding]:
    from addon.storage.writable import why_unwritable

    if reason := why_unwritable(data):
        yield Finding(BAD, "data", f"{data}: {reason}; choose another folder with --data or $HELIOGRAPH_DATA")
        return
    reason = _refused(data)
    yield Finding(BAD, "data", reason) if reason else Finding(GOOD, "data", str(data))
    free = shutil.disk_usage(data).free
    enough = free >= _ENOUGH_FREE_BYTES
    yield Finding(
        GOOD if enough else BAD,
        "disk",
        f"{size_text(free)} free" + ("" if enough else "; make room: calls go on without a record when it is full"),
    )


def _refused(data: Path) -> str | None:
    """Why the folder is not used, not even to read."""
    from addon.storage.folders import NotOurs, refuse_unsafe

    try:
        refuse_unsafe(data)
    except NotOurs as error:
        return str(error)
    return None


def _certificates(data: Path) -> Iterator[Finding]:
    from cryptography import x509

    from addon.config import trust

    path = trust.ca_certificate(data)
    if not path.exists():
        yield Finding(NOTE, "certificate authority", "not made yet; `heliograph up`, `run` and `env` make it")
        return
    try:
        expires = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except (ValueError, OSError) as error:
        yield Finding(
            BAD,
            "certificate authority",
            f"{path} cannot be read ({error}); remove {trust.ca_folder(data)} and start again",
        )
        return
    left = expires - datetime.now(UTC)
    yield Finding(
        GOOD if left > timedelta(days=30) else BAD,
        "certificate authority",
        f"{path}, valid until {expires:%Y-%m-%d}"
        + ("" if left > timedelta(days=30) else f"; remove {trust.ca_folder(data)} and start again"),
    )
    bundle = trust.bundle_path(data)
    if not bundle.exists():
        yield Finding(NOTE, "bundle", "not made yet; `heliograph run` and `env` make it")
        return
    whole = path.read_text().strip() in bundle.read_text()
    yield Finding(
        GOOD if whole else BAD, "bundle", f"{bundle}" + ("" if whole else " lacks our authority; run `heliograph env`")
    )


def _files(data: Path) -> Iterator[Finding]:
    from analysis.lake_files import broken_files, file_count

    broken = list(broken_files(data))
    for path, why in broken[:MOST_NAMED]:
        yield Finding(
            BAD, "file", f"{path}: {why}; its calls are in no report. Put it back from a backup, or move it away"
        )
    if len(broken) > MOST_NAMED:
        yield Finding(BAD, "file", f"and {len(broken) - MOST_NAMED:,} more")
    if not broken:
        yield Finding(GOOD, "files", f"{file_count(data):,} files with calls, all of them readable")


def _disk_use(data: Path) -> Iterator[Finding]:
    from addon.storage.disk_use import days, use_of_day
    from addon.storage.folders import Folders
    from addon.storage.record import TABLES

    folders = Folders(data)
    for table in TABLES:
        used = {day: use_of_day(folders.lake_day(table, day)) for day in days(folders, table)}
        if total := sum(use.size for use in used.values()):
            largest = sorted(used, key=lambda day: used[day].size, reverse=True)[:_LARGEST_DAYS]
            named = ", ".join(f"{day} {size_text(used[day].size)}" for day in largest)
            files = sum(use.files for use in used.values())
            yield Finding(GOOD, table, f"{size_text(total)} in {files:,} files; largest days: {named}")


def _journal(data: Path) -> Iterator[Finding]:
    from addon.settling.journal_reader import is_free
    from addon.settling.process import unsettled_segments
    from addon.storage.folders import Folders

    folders = Folders(data)
    waiting = [name for name in unsettled_segments(folders) if is_free(folders.journal / f"{name}.jsonl")]
    if waiting:
        yield Finding(
            NOTE,
            "journal",
            f"{len(waiting)} files of a proxy that was killed are not settled yet; `heliograph report` settles them",
        )


def _cache(data: Path) -> Iterator[Finding]:
    from addon.caching.sqlite_store import SqliteCache
    from addon.caching.store import CacheDown
    from addon.storage.folders import Folders

    if not Folders(data).cache.exists():
        return
    store = SqliteCache(Folders(data).cache)
    try:
        yield Finding(GOOD, "cache", f"{store.stats().entries} answers")
    except CacheDown as error:
        yield Finding(BAD, "cache", f"cannot be used: {error}")
    finally:
        store.close()


def _from_rows(data: Path, lake: "Lake | None", *, prices: bool) -> Iterator[Finding]:
    """What only the calls themselves tell."""
    import duckdb

    from analysis.lake import Lake

    # Of files that cannot be read `_files` tells.
    lake = lake or Lake(data, lambda message: None, has_summaries=False)
    try:
        yield from _later_than_now(lake)
        if prices:
            yield from _without_price(data)
    except duckdb.Error as error:
        yield Finding(BAD, "reports", f"cannot be made: {error}")


def _later_than_now(lake: "Lake") -> Iterator[Finding]:
    """Days that are over are not opened."""
    from analysis.table import fetch

    sql = (
        "select count(*), max(started_at) from requests"
        " where date >= current_date and started_at > now() + interval 10 minutes"
    )
    ((calls, last),) = lake.ask(lambda connection: fetch(connection, sql)).rows
    if calls:
        yield Finding(
            NOTE,
            "times",
            f"{calls:,} call{' is' if calls == 1 else 's are'} dated later than now, up to {last:%Y-%m-%d %H:%M} UTC: the clock of"
            " their machine was ahead, or this one's is behind",
        )


def _without_price(data: Path) -> Iterator[Finding]:
    from analysis.reports.unpriced import unpriced

    for provider, model, calls, why in unpriced(data):
        yield Finding(
            NOTE,
            "no price",
            f"{provider} {model or 'without a model'}: {calls} call{'' if calls == 1 else 's'}, {why}",
        )


def _alerts(data: Path, config: Path | None) -> Iterator[Finding]:
    """What fires, and what nobody could be told."""
    import sqlite3

    from analysis.alerts.message import moment, number
    from analysis.alerts.standing import kept, shown_recipient

    settings, _ = load_what_can_be_read(data, config)
    if not settings.alerts:
        return
    try:
        held = kept(settings)
    except (sqlite3.Error, OSError) as error:
        yield Finding(BAD, "alerts", f"which of them fire cannot be read: {error}")
        return
    for each in held.firing[:MOST_NAMED]:
        name = f"{each.alert}, {each.subject}" if each.subject else each.alert
        yield Finding(NOTE, "alert", f"{name} fires since {moment(each.since)}, now {number(each.value)}")
    if not held.firing:
        yield Finding(GOOD, "alerts", f"{len(settings.alerts)}, none of them fires")
    for waiting in held.waiting[:MOST_NAMED]:
        said = f"{shown_recipient(waiting.recipient)} did not take a message of {waiting.alert}: {waiting.failure}"
        yield Finding(BAD, "alerts", f"{said}; try `heliograph alerts --test {waiting.alert}`")


def _retention(data: Path, config: Path | None) -> Iterator[Finding]:
    """What is due, and what went last."""
    settings, _ = load_what_can_be_read(data, config)
    if not settings.retention.rules:
        return
    from addon.settling.retention import Expiry  # with all of pyarrow, 0.1 s
    from addon.storage.folders import Folders
    from addon.storage.receipts import receipts

    folders = Folders(data)
    rules = "; ".join(map(str, settings.retention.rules))
    try:
        last = next(receipts(folders, "retention"), None)
        due = list(Expiry(folders, settings.retention, datetime.now(UTC).date()).due())
    except Exception as error:  # a damaged file makes pyarrow raise nearly anything
        yield Finding(BAD, "retention", f"{rules}; what is due cannot be read: {error!r:.200}")
        return
    went = ", ".join(f"{rows:,} {table}" for table, rows in last["removed"].items()) if last else ""
    yield Finding(
        GOOD, "retention", f"{rules}; last deleted: {f'{went} at {last["ended_at"]}' if last else 'nothing yet'}"
    )
    if due:
        rows = {table: sum(each.rows for each in due if each.table == table) for table in ("requests", "bodies")}
        counts = ", ".join(f"{count:,} {table}" for table, count in rows.items() if count)
        yield Finding(
            NOTE,
            "retention",
            f"due: {counts}; a running proxy deletes them within a day, `heliograph forget --expired` now",
        )


def _lake(data: Path, config: Path | None) -> Iterator[Finding]:
    """The lake in a bucket: whether it answers, and what is not there yet."""
    from addon.objects import manifest
    from addon.objects.store import NotThere, Store, StoreTrouble
    from addon.settling.ship_status import read_status
    from addon.storage.folders import Folders

    settings, _ = load_what_can_be_read(data, config)
    if settings.lake is None:
        return
    try:
        manifest.read_marker(Store(settings.lake).get(manifest.MARKER)[0])
        yield Finding(GOOD, "lake", settings.lake)
    except NotThere:
        yield Finding(NOTE, "lake", f"{settings.lake} answers; nothing was shipped there yet")
    except StoreTrouble as error:
        yield Finding(BAD, "lake", str(error))
    except ValueError as error:
        yield Finding(BAD, "lake", f"{settings.lake}/{manifest.MARKER}: {error}")
    status = read_status(Folders(data))
    if status is None or status.lake != settings.lake:
        yield Finding(NOTE, "shipping", "not begun; a running proxy ships every 20 s, `heliograph ship` at once")
        return
    if status.trouble:
        left = f"{status.waiting_files:,} files ({size_text(status.waiting_bytes)}) wait on this disk"
        yield Finding(BAD, "shipping", f"fails since {status.troubled_since}, {left}: {status.trouble}")
    else:
        yield Finding(GOOD, "shipping", f"all that was there at {status.shipped_at} is in the lake")
    if 0 < status.max_local_bytes < status.local_bytes:
        over = f"{size_text(status.local_bytes)} of calls are here, above max_local_bytes ({size_text(status.max_local_bytes)})"
        yield Finding(BAD, "shipping", f"{over}; nothing is lost: make room, or raise it")


def _fleet(data: Path, config: Path | None) -> Iterator[Finding]:
    """What `heliograph doctor --fleet` finds. What cannot be reached was told above."""
    from analysis.health.fleet import fleet_findings, fleet_of

    if fleet := fleet_of(data, config):
        yield from fleet_findings(replace(fleet, findings=()))
