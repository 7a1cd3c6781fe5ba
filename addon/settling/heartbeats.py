"""Tells the fleet once a minute how this data folder is: to the shared Redis, to the bucket of the lake, or to both.

In a thread beside the settler's loop (beside.py). Nothing depends on it: what fails is tried again a minute later, and doctor tells that
nothing was heard.
"""

import hashlib
import os
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from addon.config import settings
from addon.config.remote_copy import source_of
from addon.config.settings import Settings
from addon.limits.redis_store import tag
from addon.objects import manifest
from addon.objects.store import Store, StoreTrouble
from addon.settling.beside import Beside
from addon.settling.ship_status import read_status
from addon.settling.shipped import Forgotten, owner_of
from addon.storage import heartbeat
from addon.storage.folders import Folders
from addon.storage.heartbeat import Heartbeat
from addon.storage.presence import running_proxies

_PATIENCE_S: Final = 5.0  # for one request
_FIRST_S: Final = 2.0
_LAST_S: Final = 6.0  # for the last one, when the proxy ends


class Heartbeats:
    """Starts a round when one is due, and a last one at the end."""

    def __init__(self, folders: Folders, config: Path | None, say: Callable[[str], None]) -> None:
        self._folders, self._config, self._say = folders, config, say
        self._told = ""
        self._beside = Beside("heartbeat", self._pass, _FIRST_S)

    def start_if_due(self) -> None:
        self._beside.start_if_due()

    def finish(self) -> None:
        """After the last shipping round. Waits a bounded time."""
        self._beside.finish(_LAST_S)

    def _pass(self, is_last: bool) -> float:
        began = time.monotonic()
        try:
            loaded, _ = settings.load_beside_proxy(self._folders.data, self._config)
            if loaded.shared or loaded.lake:
                tell(self._folders, loaded, is_last=is_last)
            told = ""
        except (OSError, StoreTrouble, Forgotten, ValueError) as error:
            told = str(error)
        except Exception as error:  # redis-py is imported only where [shared] is set
            told = f"{error!r:.300}"
        if told and told != self._told:
            self._say(f"the fleet is not told of this proxy: {told}; trying again")
        self._told = told
        return heartbeat.EVERY_S - (time.monotonic() - began)


def tell(folders: Folders, loaded: Settings, *, is_last: bool = False, clock: Callable[[], float] = time.time) -> None:
    """To all that is shared; then raises what the first failure of them raised. A folder that has ended with nothing left
    to ship is taken from the list."""
    beat = beat_of(folders, loaded, clock)
    is_gone = is_last and not beat.listen and not beat.trouble
    failures: list[Exception] = []
    for place in (_tell_redis, _tell_bucket):
        try:
            place(loaded, replace(beat, at=clock()), is_gone)  # the one before may have been slow
        except Exception as error:
            failures.append(error)
    if failures:
        raise failures[0]


def beat_of(folders: Folders, loaded: Settings, clock: Callable[[], float] = time.time) -> Heartbeat:
    """Raises OSError, Forgotten."""
    status = read_status(folders) if loaded.lake else None
    proxies = list(running_proxies(folders))
    source = source_of(loaded.config)
    problems = [each.problem for each in proxies if each.problem] or [source.problem if source else ""]
    text = loaded.config.read_bytes() if loaded.config.exists() else b""
    return Heartbeat(
        owner=owner_of(folders),
        host=platform.node(),
        version=version("heliograph"),
        lake_format=manifest.FORMAT,
        at=clock(),
        listen=", ".join(each.listen for each in proxies),
        workers=sum(each.workers for each in proxies),
        ships=loaded.lake is not None,
        shipped_at=datetime.fromisoformat(status.shipped_at).timestamp() if status and status.shipped_at else None,
        waiting_calls=status.waiting_calls if status else 0,
        waiting_bytes=status.waiting_bytes if status else 0,
        trouble=(status.trouble or "") if status else "",
        settings=hashlib.sha256(text).hexdigest()[:12],
        settings_problem=problems[0],
        secret=heartbeat.fingerprint(settings.secret(folders.data)),
    )


def _tell_redis(loaded: Settings, beat: Heartbeat, is_gone: bool) -> None:
    if loaded.shared is None:
        return
    from addon.storage.redis_clients import open_sync, server_time

    client: Any = open_sync(loaded.shared.opened_url(os.environ), _PATIENCE_S)
    try:
        tagged = tag(loaded.shared.prefix)
        now = server_time(client)
        gone = [beat.owner] if is_gone else []
        gone += [owner.decode() for owner in client.zrangebyscore(f"{tagged}heard", 0, now - heartbeat.FORGOTTEN_S)]
        if not is_gone:
            client.hset(f"{tagged}fleet", beat.owner, heartbeat.dumped(beat))
            client.zadd(f"{tagged}heard", {beat.owner: now})
        if gone:
            client.hdel(f"{tagged}fleet", *gone)
            client.zrem(f"{tagged}heard", *gone)
    finally:
        client.close()


def _tell_bucket(loaded: Settings, beat: Heartbeat, is_gone: bool) -> None:
    if loaded.lake is None:
        return
    store, path = Store(loaded.lake, patience_s=_PATIENCE_S), heartbeat.object_path(beat.owner)
    if is_gone:
        store.delete([path])
    else:
        store.replace(path, heartbeat.dumped(beat))
