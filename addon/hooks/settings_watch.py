"""Reads heliograph.toml again: when it changes, and at SIGHUP (`heliograph reload`). Says what changed."""

import asyncio
import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from mitmproxy import ctx

from addon.config.reload import LOOK_EVERY_S, Changes, FileWatch, changes, file_settings, taken_over
from addon.config.settings import ConfigError, Settings
from addon.hooks.proxy import Proxy
from addon.hooks.services import Services
from addon.storage.folders import Folders
from addon.storage.presence import Presence, Running

logger = logging.getLogger(__name__)

_JUST_NOW_S: Final = 10.0  # from an editor to `heliograph reload`
_TERMINAL: Final = (0, 1, 2)  # standard input, output and error


class SettingsWatch:
    """Made once all is open; `run` is a task of the loop. `stop`: how to end the proxy in order."""

    def __init__(self, proxy: Proxy, services: Services, stop: Callable[[], None]) -> None:
        self.proxy, self.services, self._stop = proxy, services, stop
        self._asked = asyncio.Event()
        self._watch = FileWatch(services.settings.config)
        self._at_start: Settings | None = None  # the file's, without the command line
        self._began_on_terminal = _on_terminal()
        self._taken_at = -_JUST_NOW_S  # monotonic: when the last change was taken over
        self._presence: Presence | None = None
        self._told = Running(
            pid=os.getpid(), listen="", config=str(services.settings.config), started_at=proxy.started_at
        )

    async def run(self) -> None:
        """Until it is cancelled."""
        await self._begin()
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), LOOK_EVERY_S)
            was_asked = self._asked.is_set()
            self._asked.clear()
            if self._watch.has_changed() or was_asked:
                await self._read(was_asked)

    async def _begin(self) -> None:
        with contextlib.suppress(
            ConfigError
        ):  # mended or broken since the start: then everything is compared with that
            self._at_start = await asyncio.to_thread(file_settings, self.services.settings, os.environ)
        if threading.current_thread() is not threading.main_thread():
            return  # signals reach the main thread alone
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._hung_up)
        try:
            self._presence = Presence(Folders(self.services.settings.data))
        except OSError as error:
            logger.warning("heliograph: `heliograph reload` will not find this proxy: %s", error)
        self._say(self._told)

    def _hung_up(self) -> None:
        """SIGHUP: the settings are to be read again, or the terminal was closed."""
        if self._began_on_terminal and not _on_terminal():
            self._stop()
        else:
            self._asked.set()

    async def _read(self, was_asked: bool) -> None:
        current = self.services.settings
        reads = self._told.reads + was_asked
        try:
            fresh = await asyncio.to_thread(file_settings, current, os.environ)
            self.services.use(taken_over(current, fresh, alone=self.proxy.alone))
            self.proxy.calls.slots.use(self.services.settings.overload)
        except ConfigError as error:
            logger.warning("heliograph: the settings stay as they were:\n%s", error)
            self._say(replace(self._told, reads=reads, problem=str(error), taken=(), restart=()))
            return
        found = changes(current, fresh, self._at_start or fresh)
        if found != Changes() or was_asked:
            logger.warning("heliograph: settings read again: %s", found)
        now = time.monotonic()
        if found.taken:
            self._taken_at = now
        elif was_asked and now - self._taken_at < _JUST_NOW_S:  # we noticed by ourselves before we were asked
            found = replace(found, taken=self._told.taken)
        self._say(replace(self._told, reads=reads, problem="", taken=found.taken, restart=found.restart))

    def _say(self, told: Running) -> None:
        servers = getattr(ctx.master.addons.get("proxyserver"), "servers", ())
        addresses = [address for server in servers for address in server.listen_addrs]
        self._told = replace(told, listen=", ".join(f"{host}:{port}" for host, port, *_ in addresses))
        try:
            if self._presence:
                self._presence.say(self._told)
        except OSError as error:
            logger.warning("heliograph: %s/running cannot be written: %s", self.services.settings.data, error)

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
