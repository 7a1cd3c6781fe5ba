"""Upstream connections that a caller leaves behind, for the next caller of the same provider.

mitmproxy opens upstream connections for each caller's connection and closes them with it, so a program that connects anew for
each call makes the provider's TLS handshake each time. Here a connection on which whole answers have come, and nothing more,
is kept for a while when its caller leaves. Only a caller with the same key gets it: a provider that frames an answer wrongly
may shift those behind it on the connection, and they are then no stranger's. It rests first, since bytes that nobody asked
for may be late. Where a connection itself is logged in (NTLM, Negotiate), it is not kept.

Relies on mitmproxy's internals (read on 12.2.3; `internals.py` checks them): `ConnectionHandler.transports`,
`HttpLayer.connections`, and that the layers of one upstream connection share a context.
"""

import asyncio
import itertools
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final

from mitmproxy.connection import ConnectionState, Server
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers.http import HttpLayer
from mitmproxy.proxy.server import ConnectionIO

from addon.mitm.http1 import PatientHttp1Client
from addon.mitm.outermost_layer import OutermostLayer
from addon.mitm.upstream_carrier import Carrier

MOST_KEPT: Final = 100
IDLE_S: Final = 15.0
REST_S: Final = 0.1  # a provider that waits for our acknowledgement before it sends the rest (Nagle) waits for 40 ms
_LOOK_EVERY_S: Final = 1.0  # for those that nobody wanted


@dataclass(frozen=True, slots=True)
class Scope:
    """What must be the same for a connection to be used again. The TLS settings are: they are set once, at the start."""

    host: str
    port: int
    sni: str | None  # None: without TLS
    credential: str  # a hash of the caller's key; "": the calls have none


@dataclass(slots=True, eq=False)
class _Kept:
    scope: Scope
    stack: layer.Layer  # the outermost of its layers
    carrier: Carrier
    since: float = field(default_factory=time.monotonic)


@dataclass(slots=True)
class _Caller:
    """One caller's connection."""

    layers: list[HttpLayer] = field(default_factory=list)
    credentials: set[str | None] = field(default_factory=set)

    @property
    def credential(self) -> str | None:
        """What all its calls had; None: not all had the same, or some were not calls."""
        return next(iter(self.credentials)) if len(self.credentials) == 1 else None


class UpstreamPool:
    def __init__(self, handler_of: Callable[[str], Any]) -> None:
        """`handler_of`: mitmproxy's handler of a caller's connection, by its id; None once it is over."""
        self._handler_of = handler_of
        self._kept: dict[Scope, list[_Kept]] = {}
        self._carriers: dict[Server, Carrier] = {}  # of those that a caller has left
        self._timer: asyncio.TimerHandle | None = None  # while some are kept
        self._callers: dict[str, _Caller] = {}  # by the id of the caller's connection

    def __len__(self) -> int:
        return sum(map(len, self._kept.values()))

    def _each(self) -> Iterator[_Kept]:
        return itertools.chain.from_iterable(self._kept.values())

    def note(self, http_layer: HttpLayer, credential: str | None) -> None:
        """This layer is about to have a connection for a call with that credential; None: for no call."""
        caller = self._callers.setdefault(http_layer.context.client.id, _Caller())
        if http_layer not in caller.layers:
            caller.layers.append(http_layer)
        caller.credentials.add(credential)

    async def keep(self, client_id: str) -> None:
        """A caller has left: keeps what may be used again, and leaves the rest to mitmproxy, which closes it."""
        handler = self._handler_of(client_id)
        caller = self._callers.pop(client_id, _Caller())
        if caller.credential is None or handler is None or not isinstance(handler.layer, OutermostLayer):
            return
        for http_layer in caller.layers:
            for server, stack in _reusable(http_layer):
                if len(self) < MOST_KEPT and (carrier := await self._carrier_of(server, http_layer, handler)):
                    self._add(_Kept(_scope(server, caller.credential), stack, carrier))
                    carrier.read_on()

    async def _carrier_of(self, server: Server, http_layer: HttpLayer, handler: Any) -> Carrier | None:
        """None: something is under way or came meanwhile, and the connection is closed."""
        carrier = self._carriers.get(server)
        if carrier and not carrier.leave():
            return None  # mitmproxy closes it with its caller
        del http_layer.connections[server]
        if carrier is None:
            if (waiting := await _without_task(handler, server)) is None:
                return None
            carrier = self._carriers[server] = Carrier(server, *waiting, self._ended)
        return carrier

    def _ended(self, carrier: Carrier) -> None:
        self._carriers.pop(carrier.server, None)
        for kept in [each for each in self._each() if each.carrier is carrier]:
            self._forget(kept)

    def _add(self, kept: _Kept) -> None:
        self._kept.setdefault(kept.scope, []).append(kept)
        if self._timer is None:
            self._look_later()

    def _look_later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_LOOK_EVERY_S, self._look)

    def _look(self) -> None:
        """Closes those that nobody wanted for long enough."""
        oldest = time.monotonic() - IDLE_S
        for kept in [each for each in self._each() if each.since < oldest]:
            self._drop(kept)
        self._timer = None
        if self._kept:
            self._look_later()

    def take(self, scope: Scope, http_layer: HttpLayer) -> Server | None:
        """Gives a connection to another caller. None: no living one is kept."""
        handler = self._handler_of(http_layer.context.client.id)
        of_scope = self._kept.get(scope, []) if handler else []  # the oldest first
        rested = bisect_right(of_scope, time.monotonic() - REST_S, key=attrgetter("since"))
        for kept in reversed(of_scope[:rested]):
            if not kept.carrier.is_silent:
                self._drop(kept)
                continue
            self._forget(kept)
            server = kept.carrier.server
            _give_to(http_layer, server, kept.stack)
            kept.carrier.give_to(handler)
            return server
        return None

    def _drop(self, kept: _Kept) -> None:
        self._forget(kept)
        kept.carrier.close()

    def _forget(self, kept: _Kept) -> None:
        of_scope = self._kept[kept.scope]
        of_scope.remove(kept)
        if not of_scope:
            del self._kept[kept.scope]

    def close(self) -> None:
        for kept in list(self._each()):
            self._drop(kept)
        if self._timer:
            self._timer.cancel()


def _scope(server: Server, credential: str) -> Scope:
    assert server.address
    return Scope(*server.address[:2], server.sni if server.tls else None, credential)


def _reusable(http_layer: HttpLayer) -> list[tuple[Server, layer.Layer]]:
    """The connections of one caller on which a next request could be sent."""
    return [
        (server, stack)
        for server, stack in http_layer.connections.items()
        if isinstance(server, Server)
        and server.state is ConnectionState.OPEN
        and server.via is None
        and server.transport_protocol == "tcp"
        and isinstance(client := stack.context.layers[-1], PatientHttp1Client)
        and client.is_free
    ]


async def _without_task(handler: Any, server: Server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    """Ends mitmproxy's task that reads from a connection, without the connection. None: something came meanwhile, and it is
    closed."""
    io = handler.transports.get(server)
    if not (io and io.handler and io.reader and io.writer):
        return None
    heard = handler.layer.leave(server)
    handler.transports[server] = ConnectionIO(io.handler, io.reader, _Nowhere())  # type: ignore[arg-type]
    io.handler.cancel("kept for another caller")
    await asyncio.wait([io.handler])
    waited = handler.transports.pop(server, None) is None  # for data, and for nothing else: then it pops this itself
    if not waited or heard or io.writer.transport.get_write_buffer_size():
        io.writer.close()
        return None
    server.state, server.timestamp_end = ConnectionState.OPEN, None
    return io.reader, io.writer


def _give_to(http_layer: HttpLayer, server: Server, stack: layer.Layer) -> None:
    """The connection's layers go on under another caller."""
    context = stack.context
    context.client = http_layer.context.client
    context.layers[:] = [*http_layer.context.layers, *context.layers[context.layers.index(stack) :]]
    context.layers[-1].belongs_to(http_layer)  # type: ignore[attr-defined]
    http_layer.connections[server] = stack
    for outer, inner in itertools.pairwise(http_layer.context.layers):
        if isinstance(outer, HttpLayer):  # the CONNECT in whose tunnel the caller speaks
            outer.connections[server] = inner


class _Nowhere:
    """Stands for the writer of a connection that goes on without its handler, which closes this one."""

    def close(self) -> None: ...

    def is_closing(self) -> bool:
        return True

    async def drain(self) -> None: ...
