"""A data folder in place of one that is lost: the calls that the lost one has shipped become its own.

They are in the bucket only, so `forget`, `reprice` and `[retention]` reach them as they reach every such call. A day that the lost
folder had begun to replace keeps what its manifest names. Whatever step is killed, the next try goes on.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from addon.objects import manifest
from addon.objects.manifest import Manifest
from addon.objects.store import Store
from addon.settling import shipped
from addon.settling.day_files import SHIPPED
from addon.settling.shipped import DayState
from addon.storage import heartbeat
from addon.storage.disk_use import days
from addon.storage.folders import Folders, make_folder

_MOST_NAMED: Final = 20


class NotLost(Exception):
    """These calls cannot become those of this folder. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class TakenOver:
    """What has become this folder's."""

    host: str  # of the lost folder, as it said last
    days: int
    files: int
    size: int  # bytes


def take_over(folders: Folders, store: Store, owner: str, clock: Callable[[], float] = time.time) -> TakenOver:
    """`owner`: the id of the lost folder. `clock`: epoch seconds. The caller holds `ship.lock`. Raises NotLost, StoreTrouble,
    Forgotten, OSError."""
    _refuse_used(folders, owner)
    _refuse_running(store, owner, clock())
    by_owner = _manifests(store)
    if owner not in by_owner:
        raise NotLost(_no_such(store, owner, by_owner))
    shipped.note_owner(folders, owner)
    lake = shipped.lake_folder(folders, store.url)
    make_folder(lake)
    taken = [_take(store, lake, path) for path in by_owner[owner]]
    files = [stored for each in taken for _, _, stored in each.each()]
    return TakenOver(taken[-1].host, len(taken), len(files), sum(stored.size for stored in files))


def _take(store: Store, lake: Path, path: str) -> Manifest:
    data, etag = store.get(path)
    named = manifest.loaded_at(f"{store.url}/{path}", data)
    if (lake / f"{named.day.isoformat()}.json").exists():
        return named  # by a try that was killed, or it has gone on since
    objects = {f"{table}/{name}": stored for table, name, stored in named.each()}
    shipped.write_released(lake, named.day, objects)  # counts only with the next note
    state = DayState(objects=dict(objects), counted=sorted(objects), etag=etag, manifest=manifest.digest(data))
    shipped.write_state(lake, named.day, state)
    return named


def _refuse_used(folders: Folders, owner: str) -> None:
    """A folder has one id, so its own calls would get that of the lost one."""
    known = shipped.known_owner(folders)
    if known == owner:
        return
    if known is not None or any(any(days(folders, table)) for table in SHIPPED):
        raise NotLost(f"{folders.data} is a data folder of its own already; name a new one with --data")


def _refuse_running(store: Store, owner: str, now: float) -> None:
    heard = {each.path: each.at for each in store.list(f"{heartbeat.FOLDER}/")}
    silent_s = now - heard.get(heartbeat.object_path(owner), -heartbeat.SILENT_S)
    if silent_s < heartbeat.SILENT_S:
        raise NotLost(
            f"a proxy told of {owner} {max(0, round(silent_s))} s ago, so that folder is not lost: change its calls there, or"
            f" stop the proxy and wait {heartbeat.SILENT_S / 60:.0f} minutes"
        )


def _manifests(store: Store) -> dict[str, list[str]]:
    """Their paths by owner, the oldest day first."""
    found: dict[str, list[str]] = {}
    for path in sorted(each.path for each in store.list(f"{manifest.MANIFESTS}/")):
        if owner := manifest.owner_of(path):
            found.setdefault(owner, []).append(path)
    return found


def _no_such(store: Store, owner: str, by_owner: Mapping[str, Sequence[str]]) -> str:
    if not by_owner:
        return f"{store.url} has no calls"
    newest = sorted(by_owner, key=lambda each: by_owner[each][-1], reverse=True)
    lines = [f"{store.url} has no calls of {owner}; it has those of"]
    for each in newest[:_MOST_NAMED]:
        path = by_owner[each][-1]
        last = manifest.loaded_at(f"{store.url}/{path}", store.get(path)[0])
        lines.append(f"  {each}  {last.host}, {len(by_owner[each]):,} days, the last one {last.day}")
    if (left := len(newest) - _MOST_NAMED) > 0:
        lines.append(f"  and {left:,} others")
    return "\n".join(lines)
