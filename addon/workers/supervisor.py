"""The parent of `heliograph up --workers N`. No call passes through it: it binds the port, starts N workers that serve it, and
the one settler and the one API process for all of them; it replaces workers that end, and all of them at SIGHUP.

Its journal runs, sockets and counts are made so that workers do not disturb each other: each has a run of its own, all of
one family, so that the settler knows which runs to wait for; a row of the counts; a copy of the same listening sockets.
"""

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final

from addon.config.places import CONFIG_NAME
from addon.config.settings import ConfigError, Settings, load, settings_text
from addon.hooks.api_process import ApiDown, ApiProcess
from addon.hooks.helpers import Helpers
from addon.hooks.parent import API, LEAVE, SETTINGS, STOP
from addon.hooks.settings_watch import SettingsWatch, Watched
from addon.restarts import Restarts
from addon.routing.addresses import is_loopback
from addon.storage.counts import CountsBoard, board_file
from addon.storage.journal import new_family, run_of_family
from addon.workers.command_line import CommandLine
from addon.workers.sockets import Address, bound
from addon.workers.worker import Worker

logger = logging.getLogger(__name__)

# A worker lets calls under way end for 30 s (addon/hooks/lifecycle.py), then closes its journal.
_STOP_S: Final = 45.0
_LOOK_EVERY_S: Final = 0.1


@dataclass(slots=True, eq=False)
class _Place:
    """One of the N workers, and its successors."""

    worker: Worker
    restarts: Restarts = field(default_factory=Restarts)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)  # held while its worker is being replaced


class Supervisor:
    def __init__(self, command_line: CommandLine, listen: Address, workers: int) -> None:
        """Raises ConfigError, OSError."""
        self.started_at = time.time()
        self.family = new_family()
        self._command_line, self._listen, self._count = command_line, listen, workers
        self._text = self._latest_text = self._read_text = self._file_text()
        self._settings = self._parsed(self._text)
        self._rows = 4 * workers + 4  # for workers, those that leave, and a few that do so for long
        self._board_file = board_file(self._rows)
        self.board = CountsBoard(self._board_file, self._rows)
        self._free_rows = list(reversed(range(self._rows)))
        self._numbers = itertools.count()
        self._sockets: list[socket.socket] = []
        self._places: list[_Place] = []
        self._addresses: list[Address] = []
        self._alive: set[Worker] = set()  # those that start or leave included
        self._tasks: set[asyncio.Task[Any]] = set()
        self._api = ApiProcess(self._settings)
        self._helpers = Helpers(command_line.data, self._settings.config, self.family)
        self._asked_to_stop = asyncio.Event()
        self._stopping = False

    async def run(self, on_listening: Callable[[Address], None]) -> None:
        """Until it is told to stop. Raises ConfigError and OSError where it cannot start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._asked_to_stop.set)
        self._sockets = await bound(self._listen)
        self._addresses = [each.getsockname()[:2] for each in self._sockets]
        watch = None
        try:
            await self._start_all()
            self._helpers.start(self._settings, self._api)
            watch = SettingsWatch(self._watched())
            self._do(watch.run())
            on_listening(self._addresses[0])
            await self._asked_to_stop.wait()
        finally:
            await self._stop(watch)

    # Workers come and go

    async def _start_all(self) -> None:
        """The first one alone: it makes what is missing in the data folder."""
        self._places.append(_Place(await self._started()))
        others = await asyncio.gather(*(self._started() for _ in range(self._count - 1)), return_exceptions=True)
        failures = [one for one in others if isinstance(one, BaseException)]
        self._places += [_Place(one) for one in others if isinstance(one, Worker)]
        if failures:
            raise failures[0]
        for place in self._places:
            self._do(self._keep(place))

    async def _started(self) -> Worker:
        """A worker that listens. Raises ConfigError, OSError."""
        row = self._free_rows.pop()
        sockets = [each.fileno() for each in self._sockets]
        orders = {
            "run": run_of_family(self.family, next(self._numbers)),
            "workers": self._count,
            "board": self._board_file,
            "rows": self._rows,
            "row": row,
            "started_at": self.started_at,
            "listen": self._addresses[0],
            "sockets": sockets,
            "data": str(self._command_line.data),
            "config": str(self._settings.config),
            "upstreams": self._command_line.upstreams,
            "upstream_timeout": self._command_line.upstream_timeout_s,
            "text": self._text,
            "latest_text": self._latest_text,
        }
        worker = await Worker.start(row, orders, [*sockets, self._board_file], self._say_where_the_api_is)
        self._alive.add(worker)
        if self._stopping:
            worker.tell(STOP)
        self._do(self._give_row_back(worker))
        try:
            await worker.listens()
        except (ConfigError, OSError):
            worker.kill()
            raise
        return worker

    async def _give_row_back(self, worker: Worker) -> None:
        await worker.exited.wait()
        self.board.row(worker.row).end()
        self._free_rows.append(worker.row)
        self._alive.discard(worker)

    async def _keep(self, place: _Place) -> None:
        """Replaces the worker of a place as often as it ends by itself."""
        while not self._stopping:
            worker = place.worker
            await worker.exited.wait()
            async with place.lock:
                if place.worker is worker and not self._stopping:
                    ended = "heliograph: worker %s ended with %s; starting another"
                    logger.warning(ended, worker.pid, worker.exit_status)
                    await self._fill(place)

    async def _fill(self, place: _Place) -> None:
        lived_s = place.worker.lived_s
        while True:
            await asyncio.sleep(place.restarts.pause_s(lived_s))
            if self._stopping:
                return
            try:
                place.worker = await self._started()
                return
            except (ConfigError, OSError) as error:
                logger.warning("heliograph: a worker cannot start; trying again: %s", error)
                lived_s = 0.0

    async def _replace_all(self) -> None:
        """One by one: the new one listens before the old one stops to. Raises ConfigError where a new one cannot start."""
        while len(self._free_rows) <= self._count:  # noqa: ASYNC110  workers of the last time still leave
            await asyncio.sleep(_LOOK_EVERY_S)
        before = self._text
        self._text = self._latest_text = self._read_text
        for place in self._places:
            async with place.lock:
                if self._stopping:
                    return
                try:
                    fresh = await self._started()
                except (ConfigError, OSError) as error:
                    self._text = before
                    if self._stopping:
                        return  # it was told to end at its start
                    raise ConfigError(f"a new worker cannot start, the others stay: {error}") from error
                old, place.worker = place.worker, fresh
            old.tell(LEAVE)
        self._settings = self._parsed(self._text)

    # What they share

    def _say_where_the_api_is(self, worker: Worker) -> None:
        async def say() -> None:
            while True:
                api = self._api
                try:
                    worker.tell(API, port=await api.port(), token=api.token)
                    return
                except ApiDown as error:
                    if api is self._api:  # else it was replaced meanwhile
                        worker.tell(API, why=str(error))
                        return

        self._do(say())

    def _watched(self) -> Watched:
        return Watched(
            in_force=lambda: self._settings,
            read=self._read_file,
            use=self._use,
            renew=self._renew,
            is_alone=self._is_alone,
            addresses=lambda: self._addresses,
            stop=self._asked_to_stop.set,
            started_at=self.started_at,
            workers=self._count,
        )

    def _is_alone(self) -> bool:
        return all(is_loopback(host) for host, _ in self._addresses)

    def _read_file(self) -> Settings:
        self._read_text = self._file_text()
        line = self._command_line
        return load(line.data, self._settings.config, environ=os.environ, text=self._read_text)

    def _use(self, fresh: Settings) -> None:
        """The workers take over what they can at once; the rest waits for their successors."""
        self._settings, self._latest_text = fresh, self._read_text
        for worker in self._alive:
            worker.tell(SETTINGS, text=self._latest_text)

    async def _renew(self) -> None:
        """Workers, settler and API are replaced: all settings and a new version are in force. Raises ConfigError."""
        self._parsed(self._read_text)
        await self._replace_all()
        old, self._api = self._api, ApiProcess(self._settings)
        await old.stop()
        self._helpers.renew(self._settings, self._api)

    def _file_text(self) -> str:
        line = self._command_line
        path = line.config or line.data / CONFIG_NAME
        return settings_text(path, must_exist=line.config is not None)

    def _parsed(self, text: str) -> Settings:
        line = self._command_line
        return load(line.data, line.config, line.upstreams, line.upstream_timeout_s, os.environ, text)

    # The end

    async def _stop(self, watch: SettingsWatch | None) -> None:
        """Calls under way end, then all is settled. New connections are refused from now on."""
        self._stopping = True
        for each in self._sockets:
            each.close()
        await self._end_workers()
        await self._api.stop()
        self._helpers.stop_keeping()
        for task in list(self._tasks):
            task.cancel()
        if watch:
            watch.close()
        await self._helpers.settle()

    async def _end_workers(self) -> None:
        for worker in self._alive:
            worker.tell(STOP)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*(worker.exited.wait() for worker in self._alive)), _STOP_S)
        for worker in self._alive:
            if worker.exit_status is None:
                logger.warning("heliograph: worker %s did not end in time", worker.pid)
                worker.kill()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
