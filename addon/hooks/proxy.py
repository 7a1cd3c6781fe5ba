"""What the proxy knows of itself while it runs. Whole from the start; `services.py` has what is opened by the settings."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from addon.calls.call import Call, Calls
from addon.calls.connection import OpenConnections
from addon.calls.flights import Flights
from addon.calls.open_socket import Socket
from addon.hooks.parent import Parent
from addon.recordings.tape import Tape
from addon.storage.counts import Counts

MOST_HOSTS = 100


@dataclass(slots=True)
class Proxy:
    counts: Counts = field(default_factory=Counts)
    calls: Calls = field(init=False)
    connections: OpenConnections = field(default_factory=OpenConnections)
    flights: Flights = field(default_factory=Flights)  # calls that identical ones may join
    two_way: dict[str, Call] = field(default_factory=dict)  # calls whose request goes on beside the answer, by flow id
    sockets: dict[str, Socket] = field(default_factory=dict)  # WebSockets to providers, by flow id
    untrusted: set[str] = field(default_factory=set)  # hosts whose certificate, made by us, a program did not accept
    hosts: dict[str, bool] | None = None  # asked for through us -> whether it is opened; for the same summary
    request_ids: list[str] | None = None  # of all calls, for `heliograph run`'s summary; None: not wanted
    tape: Tape | None = None  # calls are recorded with it, or answered from it
    run: str = ""  # name of the journal's run; "" before it is opened
    started_at: float = field(default_factory=time.time)  # epoch seconds
    alone: bool = False  # only this machine can reach us
    parent: Parent | None = None  # of a worker; None: this process stands for itself
    has_own_streams: bool = False  # `mitm/stream.py` could be put under this mitmproxy's connections

    def __post_init__(self) -> None:
        self.calls = Calls(self.counts)

    @property
    def workers(self) -> int:
        """How many processes serve the port, this one included."""
        return self.parent.workers if self.parent else 1

    def sums(self) -> Mapping[str, int]:
        """What this process and those beside it on the same port have counted."""
        self.count_what_is_open()
        return self.parent.board.sums() if self.parent else self.counts.told()

    def count_what_is_open(self) -> None:
        self.counts.waiting = self.calls.slots.waiting
        self.counts.connections = len(self.connections)
        self.counts.tasks = len(asyncio.all_tasks())

    def note_host(self, host: str, opened: bool) -> None:
        if self.hosts is not None and len(self.hosts) < MOST_HOSTS:
            self.hosts[host] = opened
