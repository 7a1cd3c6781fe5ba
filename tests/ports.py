"""A port of tests where nobody listens."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def closed_port() -> Iterator[int]:
    """A port that refuses connections, and that nobody else is given, for as long as a block. A server of this process may
    take it meanwhile."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))  # and does not listen
        port: int = held.getsockname()[1]
        yield port
