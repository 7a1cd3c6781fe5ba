"""The processes beside the proxy, started and kept alive by it: the settler, and the one of our endpoints."""

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Final

from addon.config.settings import Settings
from addon.hooks.api_process import ApiDown, ApiProcess
from addon.hooks.child_process import ChildProcess
from addon.restarts import Restarts

logger = logging.getLogger(__name__)

# The settler writes what is left to Parquet before it goes; a backlog after a flood takes a while.
_SETTLE_S: Final = 120.0
_LOOK_EVERY_S: Final = 1.0
_LONGEST_RESTART_PAUSE_S: Final = 30.0


class Helpers:
    def __init__(self, data: Path, config: Path, run: str) -> None:
        """`run`: how the names of the runs of the journal begin that must be settled before the settler ends."""
        self._arguments = ("--data", str(data), "--run", run, "--config", str(config))
        self._settler: ChildProcess | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    def start(self, settings: Settings, api: ApiProcess) -> None:
        self._start_settler()
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(self._keep_settler()))
        if settings.webhooks or settings.alerts or settings.otlp:
            self._tasks.append(loop.create_task(self._keep_api(api)))

    def renew(self, settings: Settings, api: ApiProcess) -> None:
        """Starts a new settler in the place of the old one, which may be killed at any step (docs/reliability.md)."""
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()
        if self._settler:
            self._settler.kill()
        self.start(settings, api)

    def _start_settler(self) -> None:
        self._settler = ChildProcess("addon.settling.process", *self._arguments)

    async def _keep_settler(self) -> None:
        restarts, loop = Restarts(), asyncio.get_running_loop()
        began = loop.time()
        while not self._stopping:
            await asyncio.sleep(_LOOK_EVERY_S)
            if self._settler and self._settler.exit_status is not None and not self._stopping:
                logger.warning("heliograph: the settler ended with %s; starting it again", self._settler.exit_status)
                await asyncio.sleep(restarts.pause_s(loop.time() - began))
                self._start_settler()
                began = loop.time()

    async def _keep_api(self, api: ApiProcess) -> None:
        """The process of the endpoints sends webhooks, spans and alerts; without them it starts at the first request for an endpoint."""
        while not self._stopping:
            with contextlib.suppress(ApiDown):  # it has said why
                await api.port()
            await asyncio.sleep(_LONGEST_RESTART_PAUSE_S)

    def stop_keeping(self) -> None:
        """From now on nothing is started again."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()

    async def settle(self) -> None:
        """Everything is written: the settler makes rows of it and ends."""
        if self._settler and self._settler.exit_status is not None:
            self._start_settler()  # it died a moment ago, and calls are left to settle
        if self._settler and not await self._settler.end(_SETTLE_S):
            logger.warning("heliograph: still settling; the settler goes on by itself")
