"""The listening sockets of all workers. The parent binds them and holds them open until it stops, so no connection that waits
in their queue is lost when a worker comes or goes.

Measured against a socket for each worker (SO_REUSEPORT): docs/performance.md.
"""

import asyncio
import os
import socket

from addon.config.settings import cannot_listen
from addon.descriptors import LONGEST_QUEUE

Address = tuple[str, int]


async def bound(listen: Address) -> list[socket.socket]:
    """Sockets that listen on every address of the host, all on one port. Raises ConfigError."""
    try:
        sockets = await _bound(listen)
        for each in sockets:
            each.listen(LONGEST_QUEUE)
    except OSError as error:
        raise cannot_listen(listen, error) from error
    return sockets


async def _bound(listen: Address) -> list[socket.socket]:
    host, port = listen
    sockets = await _of_asyncio(host, port)
    if port == 0 and len(sockets) > 1:  # each has a port of its own
        port = sockets[0].getsockname()[1]
        for each in sockets:
            each.close()
        sockets = await _of_asyncio(host, port)
    return sockets


async def _of_asyncio(host: str, port: int) -> list[socket.socket]:
    """As asyncio binds them for a server, and so the proxy without workers."""
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, host or None, port, start_serving=False)
    copies = [socket.socket(fileno=os.dup(each.fileno())) for each in server.sockets]
    server.close()
    return copies
