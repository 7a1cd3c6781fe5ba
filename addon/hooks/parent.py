"""A worker's link to the process that started it (`addon/workers/`): one socket, a JSON object a line in both directions.

The socket is the lifeline, too: when it ends, the parent is gone, and the worker ends in order.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from addon.hooks.api_process import ApiDown
from addon.storage.counts import CountsBoard

# Words of the worker.
LISTENS: Final = "listens"
ASKS_FOR_API: Final = "asks for api"
FAILED: Final = "failed"
# Words of the parent.
API: Final = "api"
SETTINGS: Final = "settings"
LEAVE: Final = "leave"
STOP: Final = "stop"

_ANSWER_S: Final = 70.0  # starting the API may take 60


@dataclass(slots=True, kw_only=True)
class Parent:
    """What a worker was told at its start, and its link."""

    reader: asyncio.StreamReader = field(repr=False)
    writer: asyncio.StreamWriter = field(repr=False)
    run: str  # the name of this worker's run of the journal
    workers: int  # how many serve the port
    board: CountsBoard
    api: "ParentsApi" = field(init=False)

    def __post_init__(self) -> None:
        self.api = ParentsApi(self)

    def tell(self, word: str, **more: Any) -> None:
        send(self.writer, word, **more)

    async def listen(self, *, leave: Callable[[], None], stop: Callable[[], None], use: Callable[[str], None]) -> None:
        """Does what the parent says until it is gone. `use`: takes the text of the changed settings file over."""
        while told := await received(self.reader):
            match told["is"]:
                case "api":
                    self.api.answered(told)
                case "settings":
                    use(told["text"])
                case "leave":
                    leave()
                case "stop":
                    stop()
        stop()


class ParentsApi:
    """The process of the endpoints, which the parent starts for all workers when one of them first asks for it."""

    def __init__(self, parent: Parent) -> None:
        self._parent = parent
        self._port = 0
        self._answers: list[asyncio.Future[int]] = []
        self.token = ""

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self._port

    async def port(self) -> int:
        """Where it listens on 127.0.0.1. Raises ApiDown."""
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._answers.append(answer)
        self._parent.tell(ASKS_FOR_API)
        try:
            return await asyncio.wait_for(answer, _ANSWER_S)
        except TimeoutError as error:
            raise ApiDown("the API does not start; heliograph's messages may say why") from error

    def answered(self, told: dict[str, Any]) -> None:
        answers, self._answers = self._answers, []
        if "port" in told:
            self._port, self.token = told["port"], told["token"]
        for answer in answers:
            if answer.done():
                continue
            if "port" in told:
                answer.set_result(self._port)
            else:
                answer.set_exception(ApiDown(told["why"]))

    async def stop(self) -> None:
        """The parent's to do, after its last worker."""


def send(writer: asyncio.StreamWriter, word: str, **more: Any) -> None:
    """To the other side of a link; if that is gone, to nobody."""
    with contextlib.suppress(OSError):
        writer.write(orjson.dumps({"is": word} | more) + b"\n")


async def received(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """The next message; None: the other side is gone."""
    try:
        line = await reader.readline()
    except (OSError, ValueError):  # reset, or a line longer than the reader takes
        return None
    return orjson.loads(line) if line.endswith(b"\n") else None
