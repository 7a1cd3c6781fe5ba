"""Tells which processes of this machine are at the other end of connections: `python -m addon.callers.process`.

Reads questions on its standard input and answers on its standard output, one JSON line each:

    {"id": 1, "caller": ["127.0.0.1", 40312], "own": ["127.0.0.1", 8787]}
    {"id": 1, "process": {"command": "python ask.py", "cwd": "/home/me/api", "repository": "api"}}

`process` is null where it is gone, or another user's. A process of its own, because a look through many processes takes
14 ms of CPU, which the event loop of the proxy cannot spare.
"""

import contextlib
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from pathlib import Path, PurePath
from typing import Any, Final

import orjson
import psutil

from addon.callers.linux import Address, Ends, Holders
from addon.callers.repository import repository_of
from addon.start_module import tell_starter

LONGEST_COMMAND: Final = 200
# With many new connections this process takes at most a twentieth of a core. A quarter of a second of CPU is saved up for
# a program that opens a few connections and ends: it must be found while it lives.
_SHARE: Final = 1 / 20
_SAVED_S: Final = 0.25
# Describing a process takes 0.2 ms. One that opens a connection for each call is described once a second: what it runs and
# where it does so rarely changes.
_REMEMBERED_S: Final = 1.0
_MOST_REMEMBERED: Final = 64
_READ_BYTES: Final = 2**16
_INTERPRETER: Final = re.compile(r"(python|pypy|node|nodejs|bun|deno|ruby|perl|php|bash|sh|zsh)[\d.]*t?", re.IGNORECASE)


def describe(process: psutil.Process) -> dict[str, str | None]:
    """What a row says of a process. Raises psutil.Error."""
    with process.oneshot():
        command = command_name(process.name(), process.cmdline())
        try:
            cwd: str | None = process.cwd() or None
        except psutil.AccessDenied:
            cwd = None
    return {"command": command, "cwd": cwd, "repository": repository_of(Path(cwd)) if cwd else None}


class Descriptions:
    """What rows say of processes, by process id. None: the process is gone, or it is another user's."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[float, dict[str, str | None] | None]] = {}  # the oldest first

    def of(self, pid: int, now_s: float) -> dict[str, str | None] | None:
        """`now_s` is a monotonic clock's."""
        known = self._known.get(pid)
        if known and now_s - known[0] < _REMEMBERED_S:
            return known[1]
        description = None
        with contextlib.suppress(psutil.Error):
            description = describe(psutil.Process(pid))
        self._known.pop(pid, None)
        self._known[pid] = now_s, description
        if len(self._known) > _MOST_REMEMBERED:
            del self._known[next(iter(self._known))]
        return description


def command_name(name: str, words: Sequence[str]) -> str:
    """A command without its arguments, which may be secrets: `claude`; of an interpreter also the file or module that it
    runs: `python ask.py`, `python -m app.main`, `node server.mjs`."""
    name = _program(name, words)
    runs = _what_it_runs(words[1:]) if _INTERPRETER.fullmatch(name) else None
    return (f"{name} {runs}" if runs else name)[:LONGEST_COMMAND]


def _program(name: str, words: Sequence[str]) -> str:
    """`name` is that of the main thread. A runtime may have given it one of its own (Node 24: `MainThread`): then the
    program is the first word. A script that is started by its own name has that name; it is the second word then."""
    if not words or name in {PurePath(word).name.removeprefix("-") for word in words[:2]}:
        return name
    first = PurePath(words[0]).name
    return name if not first or " " in first else first  # a program's title is not a path, and may have arguments in it


def _what_it_runs(words: Sequence[str]) -> str | None:
    for place, word in enumerate(words):
        if word == "-m":
            return " ".join(words[place : place + 2])
        if word.startswith("-"):
            if word in ("-c", "-e", "--eval", "-p", "--print", "-"):
                return None  # what follows is a program's text
            continue
        return PurePath(word).name
    return None


class Finder:
    """Finds processes by the addresses of a connection."""

    def __init__(self) -> None:
        self._holders = Holders() if sys.platform == "linux" else None

    def process_ids(self, wanted: Iterable[Ends]) -> dict[Ends, int]:
        """The process that holds the caller's end of each connection, as far as we may see it."""
        if self._holders:
            try:
                return self._holders.process_ids(wanted)
            except OSError:  # a kernel, or a sandbox, without this
                self._holders = None
        wanted = set(wanted)
        return {ends: pid for ends, pid in _sockets() if ends in wanted}


def _sockets() -> Iterator[tuple[Ends, int]]:
    """Every TCP connection of this machine that we may see, and the process that holds it."""
    try:
        seen = [(each, each.pid) for each in psutil.net_connections("tcp")]
    except psutil.AccessDenied:  # macOS shows one's own processes only, one by one
        seen = [(each, process.pid) for process in psutil.process_iter() for each in _sockets_of(process)]
    for each, pid in seen:
        if pid and each.laddr and each.raddr:
            yield (_address(each.laddr), _address(each.raddr)), pid


def _sockets_of(process: psutil.Process) -> list[Any]:
    try:
        return list(process.net_connections("tcp"))
    except psutil.Error:
        return []


def _address(given: Sequence[Any]) -> Address:
    """With IPv4 written as IPv4, where a socket for both kinds says `::ffff:127.0.0.1`."""
    return _host(given[0]), int(given[1])


@lru_cache(maxsize=64)
def _host(text: str) -> str:
    address = ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def answers(
    questions: Sequence[dict[str, Any]], finder: Finder, descriptions: Descriptions, now_s: float
) -> Iterator[dict[str, Any]]:
    ends = {question["id"]: (_address(question["caller"]), _address(question["own"])) for question in questions}
    ids = finder.process_ids(ends.values())
    for number, each in ends.items():
        yield {"id": number, "process": descriptions.of(ids[each], now_s) if each in ids else None}


class Allowance:
    """The CPU time that this process may take."""

    def __init__(self, now_s: float) -> None:
        self._left_s, self._at_s = _SAVED_S, now_s

    def pause_s(self, now_s: float, used_s: float) -> float:
        """How long to rest after `used_s` of CPU time. `now_s` is a monotonic clock's."""
        earned_s = (now_s - self._at_s) * _SHARE
        self._left_s = min(_SAVED_S, self._left_s + earned_s) - used_s
        self._at_s = now_s
        return max(0.0, -self._left_s / _SHARE)


def main() -> int:
    waiting, finder, descriptions, allowance = b"", Finder(), Descriptions(), Allowance(time.monotonic())
    while data := os.read(sys.stdin.fileno(), _READ_BYTES):
        *lines, waiting = (waiting + data).split(b"\n")
        began = time.process_time()  # on a busy machine the time on the clock is many times that
        found = answers([orjson.loads(line) for line in lines], finder, descriptions, time.monotonic())
        tell_starter(b"".join(orjson.dumps(answer) + b"\n" for answer in found))
        time.sleep(allowance.pause_s(time.monotonic(), time.process_time() - began))
    return 0


if __name__ == "__main__":
    sys.exit(main())
