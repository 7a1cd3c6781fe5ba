"""A TCP load balancer as plain as can be: `python -m scripts.tcp_relay PORT BACKEND_PORT...`, all on 127.0.0.1.

Each connection goes to the next backend in turn that accepts it. It knows nothing of HTTP, of sessions, or of health.
"""

import asyncio
import contextlib
import itertools
import sys
from collections.abc import Iterator
from typing import Final

_CONNECT_S: Final = 2.0
type Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def serve(port: int, backends: list[int]) -> None:
    turns = itertools.count()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = next(turns)
        pair = await _connected(backends[(first + more) % len(backends)] for more in range(len(backends)))
        if pair:
            await asyncio.gather(_copy(reader, pair[1]), _copy(pair[0], writer))
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


async def _connected(ports: Iterator[int]) -> Pair | None:
    for port in ports:
        with contextlib.suppress(OSError, TimeoutError):
            return await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), _CONNECT_S)
    return None


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until one end closes or breaks; then the other end is closed."""
    with contextlib.suppress(OSError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), [int(port) for port in sys.argv[2:]]))
