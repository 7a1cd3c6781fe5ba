"""One worker as its parent sees it: a process, and the link to it (`addon/hooks/parent.py` is the other end)."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from addon.config.settings import ConfigError
from addon.hooks.parent import ASKS_FOR_API, FAILED, LISTENS, received, send
from addon.start_module import module_command, module_environment
from addon.storage.folders import NotOurs

START_S: Final = 60.0
_EXIT_S: Final = 5.0  # from the end of its link to the end of the process
_LONGEST_MESSAGE: Final = 16 * 2**20  # bytes; the text of the settings is in one


class Worker:
    def __init__(self, process: subprocess.Popen[bytes], row: int, *, on_api: Callable[["Worker"], None]) -> None:
        """`row`: of the board of counts. `on_api`: the worker asks where the API is."""
        self.row = row
        self.started_at = time.monotonic()
        self.exited = asyncio.Event()
        self._process, self._on_api = process, on_api
        self._listens: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    async def start(
        cls, row: int, orders: Mapping[str, Any], descriptors: Sequence[int], on_api: Callable[["Worker"], None]
    ) -> "Worker":
        """Starts the process, and tells it what to do; `descriptors` are inherited. Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = _process(theirs, descriptors)
        worker = cls(process, row, on_api=on_api)
        reader, worker._writer = await asyncio.open_connection(sock=ours, limit=_LONGEST_MESSAGE)
        worker._reading = asyncio.create_task(worker._read(reader))
        worker.tell("orders", **orders)
        return worker

    async def listens(self) -> None:
        """Until it accepts connections. Raises ConfigError and OSError where it cannot."""
        try:
            await asyncio.wait_for(asyncio.shield(self._listens), START_S)
        except TimeoutError as error:
            raise ConfigError(f"worker {self.pid} does not start") from error

    def tell(self, word: str, **more: Any) -> None:
        if self._writer:
            send(self._writer, word, **more)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        return self._process.poll()

    @property
    def lived_s(self) -> float:
        return time.monotonic() - self.started_at

    def kill(self) -> None:
        self._process.kill()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while told := await received(reader):
            if told["is"] == ASKS_FOR_API:
                self._on_api(self)
            elif self._listens.done():
                continue
            elif told["is"] == LISTENS:
                self._listens.set_result(None)
            elif told["is"] == FAILED:
                self._listens.set_exception(_error(told))
        await self._see_it_end()

    async def _see_it_end(self) -> None:
        """The link is broken: the process has ended, or is about to."""
        deadline = time.monotonic() + _EXIT_S
        while self._process.poll() is None:
            if time.monotonic() > deadline:
                self._process.kill()
            await asyncio.sleep(0.01)
        if not self._listens.done():
            self._listens.set_exception(ConfigError(f"worker {self.pid} ended with {self.exit_status} at its start"))
        self._listens.exception()  # seen, whether or not anybody waits
        if self._writer:
            self._writer.close()
        self.exited.set()


def _process(link: socket.socket, descriptors: Sequence[int]) -> subprocess.Popen[bytes]:
    # Without assertions: mitmproxy checks every event and message with them, a tenth of its time.
    command = [sys.executable, "-O", *module_command("addon.workers.process")[1:]]
    return subprocess.Popen(
        command,
        stdin=link.fileno(),
        pass_fds=descriptors,
        env=module_environment(),
        start_new_session=True,  # Ctrl-C is for the parent
    )


def _error(told: Mapping[str, Any]) -> Exception:
    """Why a worker cannot start, as it was raised there."""
    if told["kind"] == "config":
        return ConfigError(told["text"])
    if told["kind"] == "not ours":
        return NotOurs(told["text"])
    return OSError(told["errno"], told["text"], told["file"])
