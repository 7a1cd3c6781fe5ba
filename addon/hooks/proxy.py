"""What the proxy knows of itself while it runs. Whole from the start; `services.py` has what is opened by the settings."""

import time
from dataclasses import dataclass, field

from addon.hooks.call import Call, Calls
from addon.hooks.connection import OpenConnections
from addon.hooks.flights import Flights
from addon.hooks.open_socket import Socket
from addon.recordings.tape import Tape


@dataclass(slots=True)
class Counts:
    """Since the start. `seen` calls end up `journalled` or `unlogged` (the journal counts those) or are under way."""

    seen: int = 0  # calls of a known operation
    passed: int = 0  # other requests on decrypted hosts, streamed through and not kept
    unchecked: int = 0  # calls whose limits could not be checked
    connects: int = 0  # CONNECT requests


MOST_HOSTS = 100


@dataclass(slots=True)
class Proxy:
    calls: Calls = field(default_factory=Calls)
    connections: OpenConnections = field(default_factory=OpenConnections)
    flights: Flights = field(default_factory=Flights)  # calls that identical ones may join
    two_way: dict[str, Call] = field(default_factory=dict)  # calls whose request goes on beside the answer, by flow id
    sockets: dict[str, Socket] = field(default_factory=dict)  # WebSockets to providers, by flow id
    counts: Counts = field(default_factory=Counts)
    untrusted: set[str] = field(default_factory=set)  # hosts whose certificate, made by us, a program did not accept
    hosts: dict[str, bool] | None = None  # asked for through us -> whether it is opened; for the same summary
    request_ids: list[str] | None = None  # of all calls, for `heliograph run`'s summary; None: not wanted
    tape: Tape | None = None  # calls are recorded with it, or answered from it
    run: str = ""  # name of the journal's run; "" before it is opened
    started_at: float = field(default_factory=time.time)  # epoch seconds
    alone: bool = False  # only this machine can reach us
    has_own_streams: bool = False  # `mitm/stream.py` could be put under this mitmproxy's connections

    def note_host(self, host: str, opened: bool) -> None:
        if self.hosts is not None and len(self.hosts) < MOST_HOSTS:
            self.hosts[host] = opened
