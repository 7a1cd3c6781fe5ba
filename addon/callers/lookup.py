"""Asks, off the event loop, which process of this machine has made a connection: once a connection."""

import asyncio
import itertools
import logging
from dataclasses import dataclass
from typing import Final

import orjson

from addon.start_module import module_command, module_environment

logger = logging.getLogger(__name__)

type Address = tuple[str, int]

MOST_WAITING: Final = 1000  # connections; those beyond stay unknown
_AGAIN_S: Final = 30.0  # after its process ended
# A question that comes by itself is passed on at once. Those that follow so soon go together: each message and its answer wake
# both processes, which costs more than a fifth of a call on a new connection.
_GATHER_S: Final = 0.01


@dataclass(frozen=True, slots=True)
class CallerProcess:
    command: str | None  # without its arguments
    cwd: str | None
    repository: str | None


Answer = asyncio.Future[CallerProcess | None]


class CallerLookup:
    """Keeps a process `addon.callers.process`. What it cannot tell is None."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._questions: asyncio.Queue[bytes] = asyncio.Queue()
        self._waiting: dict[int, Answer] = {}
        self._numbers = itertools.count()
        self._not_before = 0.0  # of the loop's clock

    def ask(self, caller: Address, own: Address) -> Answer | None:
        """The answer usually comes in 20 ms. None: too many are waiting, or there is nobody to ask."""
        loop = asyncio.get_running_loop()
        if len(self._waiting) >= MOST_WAITING or loop.time() < self._not_before:
            return None
        number = next(self._numbers)
        answer = self._waiting[number] = loop.create_future()
        self._questions.put_nowait(orjson.dumps({"id": number, "caller": caller, "own": own}) + b"\n")
        self.start()
        return answer

    def start(self) -> None:
        """Starts its process, if need be: a program that ends after one short call must be found while it lives."""
        loop = asyncio.get_running_loop()
        if self._reading is None and loop.time() >= self._not_before:
            self._reading = loop.create_task(self._run())

    async def _run(self) -> None:
        """One life of the process."""
        try:
            process = self._process = await asyncio.create_subprocess_exec(
                *module_command("addon.callers.process"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=module_environment(),
                start_new_session=True,  # Ctrl-C is for us; it ends when we close its input
            )
            assert process.stdin and process.stdout
            writing = asyncio.create_task(self._write(process.stdin))
            try:
                while line := await process.stdout.readline():
                    self._take(line)
            finally:
                writing.cancel()
            logger.warning(
                "heliograph: the look-up of callers ended with %s; client_cwd stays empty", await process.wait()
            )
        except OSError as error:
            logger.warning("heliograph: the look-up of callers cannot be started (%s); client_cwd stays empty", error)
        self._not_before = asyncio.get_running_loop().time() + _AGAIN_S
        self._reading = None
        self._give_up()

    async def _write(self, stdin: asyncio.StreamWriter) -> None:
        while True:
            questions = [await self._questions.get()]
            while not self._questions.empty():
                questions.append(self._questions.get_nowait())
            stdin.write(b"".join(questions))
            await stdin.drain()
            await asyncio.sleep(_GATHER_S)

    def _take(self, line: bytes) -> None:
        said = orjson.loads(line)
        answer = self._waiting.pop(said["id"], None)
        if answer and not answer.done():
            answer.set_result(CallerProcess(**said["process"]) if said["process"] else None)

    def _give_up(self) -> None:
        self._questions = asyncio.Queue()
        waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            if not answer.done():
                answer.set_result(None)

    async def stop(self) -> None:
        """Everything that still waits gets None, at once."""
        self._not_before = float("inf")
        if self._reading:
            self._reading.cancel()
        self._give_up()
        await asyncio.sleep(0)  # what waits for the answers goes on
        if self._process and self._process.returncode is None:
            self._process.kill()  # it holds nothing
            await self._process.wait()
