"""Ports of tests: one where nobody listens, and one that a program of its own is to take."""

import random
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress


@contextmanager
def closed_port() -> Iterator[int]:
    """A port that refuses connections, and that nobody else is given, for as long as a block. A server of this process may
    take it meanwhile."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))  # and does not listen
        port: int = held.getsockname()[1]
        yield port


def free_port() -> int:
    """Below the ports that systems give out: a connection to a port that nobody listens on may otherwise reach itself, and
    any program may be given it meanwhile. A Redis cluster needs the port that is 10,000 higher as well."""
    while True:
        port = random.randrange(10_000, 22_000)
        with suppress(OSError), closing(socket.socket()) as one, closing(socket.socket()) as higher:
            one.bind(("127.0.0.1", port))
            higher.bind(("127.0.0.1", port + 10_000))
            return port
