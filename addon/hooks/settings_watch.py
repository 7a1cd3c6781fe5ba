"""Reads heliograph.toml again: when it changes, and at SIGHUP (`heliograph reload`). Says what changed.

Where the settings have a URL, it is asked first, every 20 seconds; heliograph.toml is then its copy."""

import asyncio
import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from addon.config.reload import LOOK_EVERY_S, Changes, FileWatch, changes, taken_over
from addon.config.remote_copy import SourcePoll, place_of
from addon.config.settings import ConfigError, Settings, load
from addon.storage.folders import Folders
from addon.storage.presence import Presence, Running

logger = logging.getLogger(__name__)

_JUST_NOW_S: Final = 10.0  # from an editor to `heliograph reload`
_TERMINAL: Final = (0, 1, 2)  # standard input, output and error


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A proxy whose settings are watched: this process, or a parent that speaks for its workers."""

    in_force: Callable[[], Settings]
    read: Callable[[], Settings]  # what the file says now, without the command line. Raises ConfigError
    use: Callable[[Settings], None]  # from now on. Raises ConfigError
    renew: Callable[[], Awaitable[None]] | None = (
        None  # replaces the workers, so that nothing needs a restart. Raises ConfigError
    )
    is_alone: Callable[[], bool]  # only this machine can reach it
    addresses: Callable[[], Iterable[Any]]  # that it listens on: host, port, ...
    stop: Callable[[], None]  # in order
    started_at: float  # epoch seconds
    workers: int = 1


class SettingsWatch:
    """Made once all is open; `run` is a task of the loop."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._asked = asyncio.Event()
        config = watched.in_force().config
        self._watch = FileWatch(config)
        self._source = SourcePoll(config)
        self._at_start: Settings | None = None  # the file's, without the command line
        self._began_on_terminal = _on_terminal()
        self._taken_at = -_JUST_NOW_S  # monotonic: when the last change was taken over
        self._presence: Presence | None = None
        self._told = Running(
            pid=os.getpid(), listen="", config=place_of(config), started_at=watched.started_at, workers=watched.workers
        )

    async def run(self) -> None:
        """Until it is cancelled."""
        await self._begin()
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), LOOK_EVERY_S)
            was_asked = self._asked.is_set()
            self._asked.clear()
            if self._source.is_due() or (was_asked and self._source.is_remote):
                await self._ask_source(was_asked)
            if was_asked and self._source.problem:
                continue
            if self._watch.has_changed() or was_asked:
                await self._read(was_asked)

    async def _begin(self) -> None:
        with contextlib.suppress(
            ConfigError
        ):  # mended or broken since the start: then everything is compared with that
            self._at_start = await asyncio.to_thread(self._watched.read)
        if threading.current_thread() is not threading.main_thread():
            return  # signals reach the main thread alone
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._hung_up)
        try:
            self._presence = Presence(Folders(self._watched.in_force().data))
        except OSError as error:
            logger.warning("heliograph: `heliograph reload` will not find this proxy: %s", error)
        self._say(self._told)

    def _hung_up(self) -> None:
        """SIGHUP: the settings are to be read again, or the terminal was closed."""
        if self._began_on_terminal and not _on_terminal():
            self._watched.stop()
        else:
            self._asked.set()

    async def _ask_source(self, was_asked: bool) -> None:
        if told := await asyncio.to_thread(self._source.refresh, self._check):
            logger.warning("heliograph: %s", told)
        if told or was_asked:
            reads = self._told.reads + (was_asked and bool(self._source.problem))
            self._say(replace(self._told, reads=reads, problem=self._source.problem))

    def _check(self, text: str) -> None:
        """Raises ConfigError where a running proxy would not take this text over."""
        current = self._watched.in_force()
        fresh = load(current.data, current.config, environ=os.environ, text=text)
        taken_over(current, fresh, alone=self._watched.is_alone())

    async def _read(self, was_asked: bool) -> None:
        watched, now = self._watched, time.monotonic()
        current = watched.in_force()
        reads = self._told.reads + was_asked
        try:
            fresh = await asyncio.to_thread(watched.read)
            watched.use(taken_over(current, fresh, alone=watched.is_alone()))
            if was_asked and watched.renew:
                await watched.renew()
        except ConfigError as error:
            logger.warning("heliograph: the settings stay as they were:\n%s", error)
            self._say(replace(self._told, reads=reads, problem=str(error), taken=(), restart=()))
            return
        found = changes(current, fresh, self._at_start or fresh)
        if was_asked and watched.renew:
            found = replace(found, taken=found.taken + found.restart, restart=())
            self._at_start = fresh
        if found != Changes() or was_asked:
            logger.warning("heliograph: settings read again: %s", found)
        if was_asked and now - self._taken_at < _JUST_NOW_S:  # we noticed by ourselves before we were asked
            found = replace(found, taken=tuple(dict.fromkeys(self._told.taken + found.taken)))
        elif found.taken:
            self._taken_at = now
        self._say(replace(self._told, reads=reads, problem="", taken=found.taken, restart=found.restart))

    def _say(self, told: Running) -> None:
        self._told = replace(told, listen=", ".join(f"{host}:{port}" for host, port, *_ in self._watched.addresses()))
        try:
            if self._presence:
                self._presence.say(self._told)
        except OSError as error:
            logger.warning("heliograph: %s/running cannot be written: %s", self._watched.in_force().data, error)

    def close(self) -> None:
        if self._presence:
            with contextlib.suppress(OSError):
                self._presence.close()
            self._presence = None


def _on_terminal() -> bool:
    return any(_is_terminal(descriptor) for descriptor in _TERMINAL)


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False
