"""What stands between mitmproxy's handler of a connection and its layers, and saves the event loop work.

mitmproxy starts a task for each hook and makes a system call for each piece of data that a layer sends. Here a hook whose
handlers have nothing to wait for is called on the spot, and data for one connection that directly follows other data goes
out with it, in one write.

A caller that begins with plain HTTP gets its layer at once, without the layers that ask what comes next.

Relies on mitmproxy's internals (read on 12.2.3): `ConnectionHandler.layer`, which handles one event at a time, and that the
layer of a proxy's mode (`HttpProxy`) does nothing but ask for the next one and pass events on.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from mitmproxy.connection import Connection
from mitmproxy.net.tls import starts_like_tls_record
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context

if TYPE_CHECKING:
    from addon.mitm.lean_master import TableAddonManager

# A copy of so much costs about as much as the system call that it saves.
LARGE_BYTES: Final = 64 * 2**10


class OutermostLayer:
    """Handles a connection's events in place of its outermost layer, `inner`."""

    def __init__(
        self,
        inner: layer.Layer,
        addons: "TableAddonManager",
        plain_http: Callable[[Context], layer.Layer] | None = None,
    ) -> None:
        """`plain_http` makes the layer that takes the place of `inner` where the caller begins with plain HTTP; None: `inner`
        finds out by itself."""
        self.inner = inner
        self._addons = addons
        self._left: dict[Connection, list[bytes]] = {}
        self._plain_http = plain_http
        self._start: events.Event | None = None  # that nobody has handled yet

    def leave(self, connection: Connection) -> list[bytes]:
        """The layers hear nothing more of this connection. What still comes on it goes into the list."""
        return self._left.setdefault(connection, [])

    def handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if self._left and isinstance(event, events.ConnectionEvent) and event.connection in self._left:
            if isinstance(event, events.DataReceived):
                self._left[event.connection].append(event.data)
            return
        yield from in_few_writes(self._commands(event))

    def _begin(self, event: events.Event) -> Iterator[events.Event]:
        """What is to be handled now. What a caller says first decides which layer hears of its start."""
        if self._plain_http and self._start is None:
            self._start = event
            return
        if self._plain_http and self._start:
            if isinstance(event, events.DataReceived) and not starts_like_tls_record(event.data):
                self.inner = self._plain_http(self.inner.context)
            yield self._start
            self._plain_http = None
        yield event

    def _commands(self, event: events.Event) -> Iterator[commands.Command]:
        left = deque(self._begin(event) if self._plain_http else (event,))
        while left:
            for command in self.inner.handle_event(left.popleft()):
                if not isinstance(command, commands.StartHook) or not self._addons.call_at_once(command):
                    yield command
                elif command.blocking:  # the layer goes on when all that this event brings is done, as in mitmproxy
                    left.append(events.HookCompleted(command))


def in_few_writes(given: Iterable[commands.Command]) -> Iterator[commands.Command]:
    """The same commands in the same order, with small data that follows other data to one connection joined to it."""
    held: list[commands.SendData] = []
    for command in given:
        if isinstance(command, commands.SendData) and len(command.data) < LARGE_BYTES:
            if held and held[0].connection is not command.connection:
                yield _joined(held)
                held = []
            held.append(command)
        else:
            if held:
                yield _joined(held)
                held = []
            yield command
    if held:
        yield _joined(held)


def _joined(held: list[commands.SendData]) -> commands.SendData:
    if len(held) == 1:
        return held[0]
    return commands.SendData(held[0].connection, b"".join([each.data for each in held]))
