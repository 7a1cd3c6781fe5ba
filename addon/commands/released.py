"""Calls that are in a lake in a bucket only, for the commands that change what is stored. What they need is imported when one
of them runs."""

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from addon.commands.merging import merging_alone
from addon.commands.options import Failure
from addon.commands.tables import warn

if TYPE_CHECKING:
    from addon.config.settings import Settings
    from addon.settling.released import Released
    from addon.storage.folders import Folders
    from analysis.lake import Lake

SHIP_PATIENCE_S: Final = 60.0  # a proxy's round takes seconds, its first one over a full folder minutes


def lake_of_released(folders: "Folders", settings: "Settings") -> str | None:
    """URL of the lake that has files of this folder which are not here; None: all of them are here. Raises Failure where it is
    not the lake of the settings."""
    from addon.settling.shipped import days_released_to, lake_folder, released_days

    days = released_days(folders)
    if not days:
        return None
    if settings.lake is None or days != days_released_to(lake_folder(folders, settings.lake)):
        raise Failure(
            f"calls of {days[0]} to {days[-1]} are only in a bucket that the settings do not name (now: lake ="
            f" {settings.lake or 'nothing'}), and would not be changed; set `lake` to that bucket, and run this again"
        )
    return settings.lake


@contextlib.contextmanager
def lake_with_released(data: Path, url: str | None) -> Iterator["Lake"]:
    """The folder's lake, with the files that are in the bucket of this URL only. Raises Failure."""
    from analysis.lake import Lake

    if url is None:
        yield Lake(data, warn)
        return
    from analysis.released_files import ReleasedFiles

    with _store_told(), tempfile.TemporaryDirectory(prefix="heliograph-") as cache:
        yield Lake(data, warn, released=ReleasedFiles(data, url, Path(cache)))


@contextlib.contextmanager
def changing_alone(
    folders: "Folders", settings: "Settings", url: str | None, wait: Callable[[float], None] = time.sleep
) -> Iterator["Released | None"]:
    """Nobody else merges meanwhile, nor ships if files are in the bucket of this URL only: those can be brought back then.
    `wait` gets seconds. Raises Failure where a proxy goes on doing so, or the store does not answer; OSError."""
    if url is None:
        with merging_alone(folders):
            yield None
        return
    from addon.objects.store import Store
    from addon.settling.released import Released
    from addon.settling.shipping import Shipper

    with _store_told(), _shipping_alone(folders, wait), merging_alone(folders):
        yield Released(folders, Shipper(folders, Store(url), is_only_merger=True), settings.shipping)


@contextlib.contextmanager
def _shipping_alone(folders: "Folders", wait: Callable[[float], None]) -> Iterator[None]:
    from addon.storage.folders import tried_lock

    with tried_lock(folders.ship_lock, SHIP_PATIENCE_S, wait) as ours:
        if not ours:
            raise Failure(f"a proxy is shipping {folders.data} just now; run this again when it is done")
        yield


@contextlib.contextmanager
def _store_told() -> Iterator[None]:
    from addon.objects.store import StoreTrouble
    from addon.settling.shipped import Forgotten
    from addon.settling.shipping import Foreign

    try:
        yield
    except (StoreTrouble, Foreign, Forgotten) as error:
        raise Failure(f"{error}\nwhat was changed until then stays changed; run this again") from error


def tables_follow(data: Path, settings: "Settings", url: str | None) -> None:
    """Commits what was changed in the bucket to the Iceberg tables, and tells what is left to do."""
    if url is None:
        return
    from addon.commands.ship import commit_tables

    if settings.iceberg:
        try:
            commit_tables(data, settings.lake, settings.iceberg)
        except Failure as error:
            warn(
                f"the Iceberg tables do not follow yet: {error}; a running proxy commits the change, or `heliograph ship`"
            )
    warn(
        f"{url} has the change. The objects that were replaced are deleted there after ten minutes, by a running proxy or by"
        " `heliograph ship`"
    )
