"""Refuses to connect where a caller's header may not lead: to addresses of this machine and of the network it stands in.

Only where other machines can reach the proxy, and only for targets that the config does not name (`targets.py`). Checked
is what the name resolves to, before we connect, and then what was connected to: a name may resolve to something else a
moment later. Behind an upstream proxy the names are resolved there, and nothing is checked here.

Why a target was refused stands with the connection; the stream reads it there (`CallStream.refusal`).
"""

from collections.abc import Awaitable, Callable, Sequence

from mitmproxy.proxy import server_hooks

from addon.hooks.connection import ClientConnection, OpenConnections
from addon.mitm.handlers import abort
from addon.routing.addresses import first_private
from addon.routing.targets import resolve


class Guard:
    def __init__(
        self, connections: OpenConnections, resolve: Callable[[str, int], Awaitable[Sequence[str]]] = resolve
    ) -> None:
        self.connections = connections
        self._resolve = resolve

    async def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        caller, address = self.connections.of(data.client), data.server.address
        if address is None or _named_by(caller, data) is None:
            return
        caller.refusals.pop(address[:2], None)
        try:
            found = first_private(await self._resolve(*address[:2]))
        except OSError:
            return  # mitmproxy asks again, and says what is wrong
        if found:
            data.server.error = _refuse(caller, data, found)

    def server_connected(self, data: server_hooks.ServerConnectionHookData) -> None:
        caller, peer = self.connections.of(data.client), data.server.peername
        if peer is None or _named_by(caller, data) is None or (found := first_private([peer[0]])) is None:
            return
        _refuse(caller, data, found)
        abort(data.client.id, data.server)  # nothing was sent yet


def _named_by(caller: ClientConnection, data: server_hooks.ServerConnectionHookData) -> str | None:
    """The header that named the target; None where there is nothing to check."""
    if data.server.via or data.server.address is None:
        return None
    return caller.named_targets.get(data.server.address[:2])


def _refuse(caller: ClientConnection, data: server_hooks.ServerConnectionHookData, found: str) -> str:
    assert data.server.address
    host, port = data.server.address[:2]
    message = (
        f"{_named_by(caller, data)} names {host}, which is at {found}, an address of this machine or its network; "
        "if it may be called, add its URL to [targets] allow in heliograph.toml"
    )
    caller.refusals[host, port] = message
    return message
