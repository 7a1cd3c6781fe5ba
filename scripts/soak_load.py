"""The callers of the soak: calls at an even rate over HTTP/1.1 and HTTP/2, faults and callers that leave among them."""

import asyncio
import contextlib
import random
import ssl
import time
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Final

from scripts.soak_calls import Planned, cost_nanousd, plan
from scripts.soak_http2 import Broken, Http2Connection, Left, Refused

_FRESH: Final = 0.1  # of the calls have a connection of their own
_OVER_HTTP2: Final = 0.25  # of the calls, where there is a way to make them
_RESET: Final = 0.1  # of those: the caller resets the stream
_AT_ONCE: Final = 0.3  # of those: on a new connection, which the caller leaves within _LEAVES_WITHIN_S
_LEAVES_WITHIN_S: Final = 0.03  # connections to the provider are opened meanwhile
_CALLS_A_CONNECTION: Final = 40  # at most: then the caller leaves it, whatever is under way
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
    over_http2: int = 0  # of `sent`
    # Their callers left so soon that the proxy may never have read them. Each has a row or none, as it has; that the proxy has a
    # row for each call that it did read is told by its own count.
    may_be_unread: set[str] = field(default_factory=set)


class Callers:
    """`tls`: trusts the proxy's CA; without it no call goes over HTTP/2."""

    def __init__(self, port: int, rate: float, seed: int, tls: ssl.SSLContext | None = None) -> None:
        self.seen = Seen()
        self._port, self._rate, self._dice, self._tls = port, rate, random.Random(seed), tls
        self._idle: list[Pair] = []
        self._http2: dict[str, Http2Connection] = {}  # by host; each with as many calls as come meanwhile
        self._under_way: set[asyncio.Task[None]] = set()

    async def run(self, until: float) -> None:
        """Calls, evenly, until then (monotonic); then waits for those under way."""
        began, number = time.monotonic(), 0
        while (now := time.monotonic()) < until:
            if (due := began + number / self._rate) > now:
                await asyncio.sleep(due - now)
            number += 1
            planned = plan(self._dice)
            if self._tls and self._dice.random() < _OVER_HTTP2:
                self._start(self._over_http2(planned, self._tls))
            else:
                self._start(self._call(planned))
        while self._under_way:
            await asyncio.wait(self._under_way)
        for _, writer in self._idle:
            writer.close()
        for connection in self._http2.values():
            connection.leave()

    def _start(self, call: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(call)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _over_http2(self, planned: Planned, tls: ssl.SSLContext) -> None:
        leaves_at_once, resets = self._dice.random() < _AT_ONCE, self._dice.random() < _RESET
        try:
            if leaves_at_once:
                connection = await Http2Connection.open(self._port, planned.provider_host, tls)
                others = [other for _ in range(self._dice.choice([0, 1, 2])) if (other := self._planned_for(planned))]
                for each in (planned, *others):
                    self._start(self._stream(each, connection, tls))
                await asyncio.sleep(self._dice.choice([0, self._dice.random() * _LEAVES_WITHIN_S]))
                connection.leave(resets=self._dice.random() < 0.5)
            else:
                connection = await self._shared(planned.provider_host, tls)
                after_s = planned.kind.leaves_after_s or (self._dice.random() * 0.5 if resets else None)
                await self._stream(planned, connection, tls, after_s)
        except (OSError, asyncio.IncompleteReadError):
            self.seen.statuses["no connection"] += 1

    def _planned_for(self, planned: Planned) -> Planned | None:
        """Another call to the same host."""
        other = plan(self._dice)
        return other if other.provider_host == planned.provider_host else None

    async def _shared(self, host: str, tls: ssl.SSLContext) -> Http2Connection:
        if (known := self._http2.get(host)) and known.calls >= known.most_calls:
            known.leave(resets=self._dice.random() < 0.5)
        if known is None or known.is_closed:
            opened = await Http2Connection.open(self._port, host, tls)
            opened.most_calls = self._dice.randint(1, _CALLS_A_CONNECTION)
            known = self._http2.get(host)
            if known is None or known.is_closed:  # else another call has opened one meanwhile
                self._http2[host] = known = opened
            else:
                opened.leave()
        return known

    async def _stream(
        self, planned: Planned, connection: Http2Connection, tls: ssl.SSLContext, resets_after_s: float | None = None
    ) -> None:
        self.seen.sent += 1
        self.seen.over_http2 += 1
        try:
            async with asyncio.timeout(resets_after_s or _PATIENCE_S):
                head, body = await connection.call(planned.over_http2(), planned.body)
            self._take(planned, int(head[":status"]), head.get("helicone-cache", "").lower(), body)
        except TimeoutError:
            self._note(planned, "left" if resets_after_s else "no answer in time")
        except Left:
            self.seen.may_be_unread.add(planned.id)
            self._note(planned, "left")
        except Refused:
            self.seen.sent -= 1
            self.seen.over_http2 -= 1
            await self._over_http2(planned, tls)  # on another connection
        except Broken as error:
            self._note(planned, "cut" if error.has_begun else "broken")
        except Exception as error:
            self._note(planned, "unreadable")
            self.seen.strange.append(f"{planned.id}: {error!r}")

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
                pair[1].write(planned.over_http1(f"127.0.0.1:{self._port}"))
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
        cached = head.partition(b"helicone-cache: ")[2].partition(b"\r\n")[0]
        self._take(planned, status, cached.decode(), body)
        return b"connection: close" not in head

    def _take(self, planned: Planned, status: int, cached: str, body: bytes) -> None:
        """A whole answer. `cached`: what it says of the cache, in lower case."""
        reused = cached in ("hit", "coalesced")
        cost = 0 if reused or status >= 400 else cost_nanousd(planned.kind, body)
        if status == 200:
            self.seen.whole.add(planned.id)
        self._note(planned, f"{status}{' reused' if reused else ''}", cost)

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
