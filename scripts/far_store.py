"""A relay before a store that makes it far away: `python -m scripts.far_store BACKEND_PORT DELAY_MS`, on a free port of 127.0.0.1.

What a client sends arrives DELAY_MS later, the first bytes of a connection twice as late: a new connection takes another way
there and back. It counts requests, bytes and the time in which some request was waited for; each line on stdin is answered
by a line of JSON with the counts since the line before.
"""

import asyncio
import json
import sys
import time
from contextlib import suppress
from typing import Final

_CHUNK: Final = 2**18
_METHODS: Final = (b"GET ", b"PUT ", b"HEAD", b"POST", b"DELE")


class Counts:
    """Of all connections. Of one client, which waits for each answer, a connection is in use from a request to its last bytes."""

    def __init__(self) -> None:
        self.requests = self.bytes_read = self.bytes_sent = self.connections = 0
        self.waited_s = 0.0
        self._busy: dict[int, float] = {}  # connection -> the last moment at which something of its answer came
        self._since = 0.0

    def begin(self, connection: int) -> None:
        self.requests += 1
        if not self._busy:
            self._since = time.monotonic()
        self._busy[connection] = time.monotonic()

    def answered(self, connection: int, size: int) -> None:
        self.bytes_read += size
        if connection in self._busy:
            self._busy.pop(connection)
            if not self._busy:
                self.waited_s += time.monotonic() - self._since

    def taken(self) -> dict[str, float]:
        found = {
            "requests": self.requests,
            "connections": self.connections,
            "bytes_read": self.bytes_read,
            "bytes_sent": self.bytes_sent,
            "waited_s": round(self.waited_s, 3),
        }
        self.requests = self.bytes_read = self.bytes_sent = self.connections = 0
        self.waited_s = 0.0
        return found


async def serve(backend: int, delay_s: float) -> None:
    counts = Counts()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        counts.connections += 1
        number = id(writer)
        there = await asyncio.open_connection("127.0.0.1", backend)
        await asyncio.gather(_late(reader, there[1], number, counts, delay_s), _back(there[0], writer, number, counts))
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=_CHUNK)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    async with server:
        while await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(counts.taken()), flush=True)


async def _late(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int, counts: Counts, delay_s: float
) -> None:
    """Bytes keep their order, and those that come together go together."""
    sent: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while True:
            at, data = await sent.get()
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            with suppress(OSError):
                writer.write(data)
                await writer.drain()
            if not data:
                writer.close()
                return

    task = asyncio.create_task(deliver())
    ways = 2
    with suppress(OSError):
        while data := await reader.read(_CHUNK):
            if data.startswith(_METHODS):
                counts.begin(number)
            counts.bytes_sent += len(data)
            sent.put_nowait((time.monotonic() + ways * delay_s, data))
            ways = 1
    sent.put_nowait((time.monotonic(), b""))
    await task


async def _back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int, counts: Counts) -> None:
    with suppress(OSError):
        while data := await reader.read(_CHUNK):
            counts.answered(number, len(data))
            writer.write(data)
            await writer.drain()
        writer.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]) / 1000))
