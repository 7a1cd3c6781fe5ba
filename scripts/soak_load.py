"""The callers of the soak: calls at an even rate on kept-alive connections, faults and early goodbyes among them."""

import asyncio
import contextlib
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from scripts.soak_calls import Planned, cost_nanousd, plan

_FRESH: Final = 0.1  # of the calls have a connection of their own
_PATIENCE_S: Final = 60.0
type Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class Seen:
    """What the callers saw."""

    sent: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    # By id: what the rows must say. A call that broke off, or that nobody waited for, has no expected cost.
    costs: dict[str, int | None] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)  # ids of calls whose whole answer came with status 200
    latencies_ms: list[float] = field(default_factory=list)  # of plain JSON calls, since the last minute
    strange: list[str] = field(default_factory=list)


class Callers:
    def __init__(self, port: int, rate: float, seed: int) -> None:
        self.seen = Seen()
        self._port, self._rate, self._dice = port, rate, random.Random(seed)
        self._idle: list[Pair] = []
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self, until: float) -> None:
        """Calls, evenly, until then (monotonic); then waits for those under way."""
        began, number = time.monotonic(), 0
        while (now := time.monotonic()) < until:
            if (due := began + number / self._rate) > now:
                await asyncio.sleep(due - now)
            number += 1
            task = asyncio.create_task(self._call(plan(self._dice, f"127.0.0.1:{self._port}")))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        while self._under_way:
            await asyncio.wait(self._under_way)
        for _, writer in self._idle:
            writer.close()

    async def _call(self, planned: Planned) -> None:
        is_fresh = self._dice.random() < _FRESH
        try:
            pair = (None if is_fresh else self._kept()) or await self._connect()
        except OSError:
            self.seen.statuses["no connection"] += 1  # so it was not sent
            return
        self.seen.sent += 1
        began = time.perf_counter()
        keeps = False
        try:
            async with asyncio.timeout(planned.kind.leaves_after_s or _PATIENCE_S):
                pair[1].write(planned.request)
                keeps = await self._read(planned, pair[0])
            if planned.kind.fake == "" and not planned.stream:
                self.seen.latencies_ms.append((time.perf_counter() - began) * 1000)
        except TimeoutError:
            self._note(planned, "left" if planned.kind.leaves_after_s else "no answer in time")
        except (OSError, asyncio.IncompleteReadError) as error:
            self._note(planned, "cut" if isinstance(error, asyncio.IncompleteReadError) else "broken")
        except Exception as error:
            self._note(planned, "unreadable")
            self.seen.strange.append(f"{planned.id}: {error!r}")
        if keeps and not is_fresh:
            self._idle.append(pair)
        else:
            pair[1].close()

    def _kept(self) -> Pair | None:
        """A connection that was used before, and that the proxy has not closed: its worker may have been killed."""
        while self._idle:
            reader, writer = self._idle.pop()
            if not (reader.at_eof() or reader.exception() or writer.is_closing()):
                return reader, writer
            writer.close()
        return None

    async def _connect(self) -> Pair:
        return await asyncio.open_connection("127.0.0.1", self._port)

    async def _read(self, planned: Planned, reader: asyncio.StreamReader) -> bool:
        """Whether the connection can be used again."""
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        status, body = int(head.split(b" ")[1]), await read_body(head, reader)
        reused = b"helicone-cache: hit" in head or b"helicone-cache: coalesced" in head
        cost = 0 if reused or status >= 400 else cost_nanousd(planned.kind, body)
        if status == 200:
            self.seen.whole.add(planned.id)
        self._note(planned, f"{status}{' reused' if reused else ''}", cost)
        return b"connection: close" not in head

    def _note(self, planned: Planned, outcome: str, cost: int | None = None) -> None:
        self.seen.statuses[outcome] += 1
        self.seen.costs[planned.id] = cost

    async def close(self) -> None:
        for task in list(self._under_way):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def read_body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    """`head` in lower case. Raises IncompleteReadError where it is cut."""
    if b"transfer-encoding: chunked" not in head:
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return await reader.readexactly(length)
    parts: list[bytes] = []
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line, 16)
        piece = await reader.readexactly(size + 2)
        if size == 0:
            return b"".join(parts)
        parts.append(piece[:-2])
