"""What stands between mitmproxy's handler of a connection and its layers, and saves the event loop work.

mitmproxy starts a task for each hook and makes a system call for each piece of data that a layer sends. Here a hook whose
handlers have nothing to wait for is called on the spot, and data for one connection that directly follows other data goes
out with it, in one write.

Relies on mitmproxy's internals (read on 12.2.3): `ConnectionHandler.layer`, which handles one event at a time, and that the
layer of a plain HTTP caller's mode (`HttpProxy`) does nothing after its start but pass events on.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from mitmproxy.connection import Connection
from mitmproxy.proxy import commands, events, layer

if TYPE_CHECKING:
    from addon.mitm.lean_master import TableAddonManager

# A copy of so much costs about as much as the system call that it saves.
LARGE_BYTES: Final = 64 * 2**10


class OutermostLayer:
    """Handles a connection's events in place of its outermost layer, `inner`."""

    def __init__(self, inner: layer.Layer, addons: "TableAddonManager") -> None:
        self.inner = inner
        self._addons = addons
        self._left: dict[Connection, list[bytes]] = {}
        self._chosen: layer.NextLayer | None = None

    def leave(self, connection: Connection) -> list[bytes]:
        """The layers hear nothing more of this connection. What still comes on it goes into the list."""
        return self._left.setdefault(connection, [])

    def go_straight_to(self, chosen: layer.NextLayer) -> None:
        """What is above `chosen` only passes everything on from now on, and is left out once `chosen` has let go of the events
        that waited for its choice."""
        self._chosen = chosen

    def handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if self._left and isinstance(event, events.ConnectionEvent) and event.connection in self._left:
            if isinstance(event, events.DataReceived):
                self._left[event.connection].append(event.data)
            return
        yield from in_few_writes(self._commands(event))
        if self._chosen and self._chosen.layer and not self._chosen.events:
            self.inner, self._chosen = self._chosen.layer, None

    def _commands(self, event: events.Event) -> Iterator[commands.Command]:
        left = deque([event])
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
