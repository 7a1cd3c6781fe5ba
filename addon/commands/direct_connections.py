"""Which connections a program opens past the proxy: read from /proc a few times a second, on Linux, until the first call
comes through. A connection that lives for less than that is not seen."""

import contextlib
import os
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path
from typing import Final

type Address = tuple[str, int]

_PROC: Final = Path("/proc")
# (so many looks, seconds between them): most programs call at their start, and a name that is not found is a matter of 10 ms.
_PACE: Final = ((400, 0.005), (400, 0.02))
_LATER_EVERY_S: Final = 0.2
_MOST: Final = 20
DNS_PORT: Final = 53


class DirectConnections:
    """A context manager around a program's life. `found` is None where this system does not tell."""

    def __init__(self, pid: int, proxy_port: int, is_over: Callable[[], bool]) -> None:
        self.found: set[Address] | None = set() if sys.platform == "linux" else None
        self._pid, self._proxy_port, self._is_over = pid, proxy_port, is_over
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="direct connections", daemon=True)

    def __enter__(self) -> "DirectConnections":
        if self.found is not None:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        for pause_s in _pauses():
            if self._stop.is_set() or self._is_over():
                return
            self._look()
            self._stop.wait(pause_s)

    def _look(self) -> None:
        assert self.found is not None
        held = set()
        for pid in _family(self._pid):
            held |= _sockets(pid)
        if not held or len(self.found) >= _MOST:
            return
        for inode, (host, port) in _remote_ends():
            if inode in held and port and not (host == "127.0.0.1" and port == self._proxy_port):
                self.found.add((host, port))


def _pauses() -> Iterator[float]:
    for looks, pause_s in _PACE:
        yield from repeat(pause_s, looks)
    yield from repeat(_LATER_EVERY_S)


def _family(pid: int) -> Iterator[int]:
    """A process and all that it has started."""
    yield pid
    with contextlib.suppress(OSError):
        for task in (_PROC / str(pid) / "task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _family(int(child))


def _sockets(pid: int) -> set[int]:
    """The inodes of the sockets that a process holds."""
    inodes = set()
    with contextlib.suppress(OSError):
        for entry in os.scandir(_PROC / str(pid) / "fd"):
            with contextlib.suppress(OSError):
                target = os.readlink(entry.path)  # noqa: PTH115  a socket is not a path
                if target.startswith("socket:["):
                    inodes.add(int(target[8:-1]))
    return inodes


def _remote_ends() -> Iterator[tuple[int, Address]]:
    """(inode, remote address) of every socket that has one; of UDP only the questions to a name server."""
    for name in ("tcp", "tcp6", "udp", "udp6"):
        try:
            lines = (_PROC / "net" / name).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            host, port = _address(fields[2])
            if name.startswith("tcp") or port == DNS_PORT:
                yield int(fields[9]), (host, port)


def _address(text: str) -> Address:
    """`0100007F:1F90` is 127.0.0.1:8080: words in the machine's byte order. IPv4 within IPv6 is given as IPv4."""
    host, _, port = text.partition(":")
    packed = b"".join(struct.pack("=I", int(host[at : at + 8], 16)) for at in range(0, len(host), 8))
    if len(packed) == 16 and packed[:12] == b"\0" * 10 + b"\xff\xff":
        packed = packed[12:]
    shown = socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)
    return ("127.0.0.1" if shown == "::1" else shown), int(port, 16)
