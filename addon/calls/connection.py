"""What belongs to a caller's connection rather than to one call. It has one end: `OpenConnections.end`."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from addon.callers.lookup import Answer, CallerProcess
from addon.sending.timeouts import HEAD_S

if TYPE_CHECKING:
    from mitmproxy.connection import Client

UNWANTED_BODY_S: Final = 3.0
_LAST_WORDS_S: Final = 1.0

type Address = tuple[str, int]


@dataclass(slots=True, kw_only=True, eq=False)
class ClientConnection:
    id: str  # mitmproxy's
    head_s: float = HEAD_S
    project: str | None = None  # label in the proxy URL
    sent_unknown_key: bool = False  # in the proxy URL
    named_targets: dict[Address, str] = field(default_factory=dict)  # by a header of the caller: which header
    refusals: dict[Address, str] = field(default_factory=dict)  # why we did not connect to an address
    connect_within_s: dict[Address, float] = field(default_factory=dict)  # what calls allow that open a connection now
    connect_timers: dict[str, asyncio.TimerHandle] = field(default_factory=dict)  # by server connection id
    caller_process: Answer | None = None  # of this machine; None: it was not asked for
    requests: int = 0  # under way; a tunnel or a WebSocket counts as one until the connection ends
    speaks_http2: bool = False
    cut_at: float | None = None  # monotonic: when the connection is cut unless something changes
    is_told: bool = False  # that it is late
    gone: asyncio.Event = field(default_factory=asyncio.Event)  # set when the caller disconnected

    @property
    def process(self) -> CallerProcess | None:
        """The process on this machine that made the connection, as far as it is known by now."""
        answer = self.caller_process
        return answer.result() if answer and answer.done() else None

    @property
    def is_idle(self) -> bool:
        """Nothing is under way, and no request has begun to arrive."""
        return self.requests == 0 and self.cut_at is None

    def waits_for_head(self, waits: bool) -> None:
        """A request's head is there in part, or (False) it is whole or none has begun."""
        if not waits:
            self.cut_at = None
        elif self.cut_at is None:
            self.cut_at = time.monotonic() + self.head_s

    def discards_body(self) -> None:
        """The request is answered; the caller gets a moment to end its body and to read."""
        self.cut_at = time.monotonic() + UNWANTED_BODY_S

    def stop_timer(self, server_id: str) -> None:
        if timer := self.connect_timers.pop(server_id, None):
            timer.cancel()


class OpenConnections:
    """The callers' connections, by mitmproxy's id."""

    def __init__(self, head_s: float = HEAD_S) -> None:
        self.head_s = head_s  # for a head or a TLS handshake, of connections that come from now on
        self.project: str | None = None  # label of connections that bring none
        self.is_leaving = False  # no further connection is accepted; the others end with their next answer
        self._open: dict[str, ClientConnection] = {}

    def of(self, client: "Client") -> ClientConnection:
        """Made when it is first asked for: plain mitmdump accepts connections before our addon is loaded. A connection that
        is closed already is not kept."""
        known = self._open.get(client.id)
        if known is None:
            known = ClientConnection(id=client.id, head_s=self.head_s, project=self.project)
            if client.connected:
                self._open[client.id] = known
        return known

    def idle(self) -> list[str]:
        """The ids of those on which nothing is under way."""
        return [client_id for client_id, known in self._open.items() if known.is_idle]

    def http2(self) -> list[str]:
        """The ids of those that speak HTTP/2."""
        return [client_id for client_id, known in self._open.items() if known.speaks_http2]

    def late(self, now: float) -> list[tuple[str, bool]]:
        """The connections that are to be cut (True), or to be told first that they are late (False). Each is due once."""
        found = []
        for client_id, known in self._open.items():
            if known.cut_at is not None and known.cut_at <= now:
                found.append((client_id, known.is_told))
                known.cut_at = None if known.is_told else now + _LAST_WORDS_S
                known.is_told = True
        return found

    def end(self, client_id: str) -> None:
        if connection := self._open.pop(client_id, None):
            for server_id in list(connection.connect_timers):
                connection.stop_timer(server_id)

    def __len__(self) -> int:
        return len(self._open)
