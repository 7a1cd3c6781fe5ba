"""Calls that are to be under way at the same time, however busy the machine: a test waits until all of them have gathered, and
only then lets the provider answer (`FakeProviders.answer_now`)."""

from contextlib import suppress
from pathlib import Path
from typing import Final

from addon.demo.providers import FakeProviders
from addon.storage.journal_lines import piece_of
from tests.proxy.conftest import Proxy
from tests.waiting import wait_for

LONG: Final = "delay=1000"  # of an `x-fake` header: until the test says so
SLOW_STREAM: Final = "chunk-delay=0.2;words=400"  # the same for a stream whose first pieces are to be there


class Gathering:
    """The calls whose whole request these proxies have had since this was made, as their journals tell. By then a call either
    follows an identical one or is on its way to the provider."""

    def __init__(self, *proxies: Proxy) -> None:
        self._folders = {proxy.data / "journal" for proxy in proxies}
        self._read: dict[Path, int] = {}  # bytes of each segment
        self._calls: set[str] = set()
        self._look()
        self._calls.clear()

    def wait(self, calls: int, timeout_s: float = 60.0) -> None:
        wait_for(lambda: self._look() >= calls, timeout_s)

    def answer(self, provider: FakeProviders, calls: int) -> None:
        """Once so many calls are there, and one of them at the provider."""
        self.wait(calls)
        assert provider.wait_for(lambda: bool(provider.requests))
        provider.answer_now()

    def _look(self) -> int:
        for segment in (path for folder in self._folders for path in folder.glob("*.jsonl")):
            with suppress(FileNotFoundError), segment.open("rb") as file:  # the settler removes what is settled
                file.seek(self._read.get(segment, 0))
                whole = file.read().rpartition(b"\n")[0]
                self._read[segment] = self._read.get(segment, 0) + len(whole) + (1 if whole else 0)
                lines = (line for line in whole.split(b"\n") if line.startswith(b'{"t":"request"'))
                self._calls.update(call for line in lines if (call := piece_of(line)))
        return len(self._calls)
