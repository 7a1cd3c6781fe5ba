"""Refuses to connect where a caller's header may not lead: to addresses of this machine and of the network it stands in.

Only where other machines can reach the proxy, and only for targets that the config does not name (`targets.py`). Checked
is what the name resolves to, before we connect, and then what was connected to: a name may resolve to something else a
moment later. Behind an upstream proxy the names are resolved there, and nothing is checked here.
"""

from collections.abc import Awaitable, Callable, Sequence

from mitmproxy import connection, ctx, http
from mitmproxy.proxy import server_hooks

from addon.hooks.marks import BROKEN_BY, REFUSED
from addon.hooks.proxy import Proxy
from addon.routing.targets import first_private, resolve

type Address = tuple[str, int]


class Guard:
    def __init__(self, proxy: Proxy, resolve: Callable[[str, int], Awaitable[Sequence[str]]] = resolve) -> None:
        self.proxy = proxy
        self._resolve = resolve
        self._refused: dict[str, dict[Address, str]] = {}  # why, by client connection id and target

    async def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        address = data.server.address
        if address is None or self._named_by(data) is None:
            return
        self._refused.get(data.client.id, {}).pop(address[:2], None)
        try:
            found = first_private(await self._resolve(*address[:2]))
        except OSError:
            return  # mitmproxy asks again, and says what is wrong
        if found:
            data.server.error = self._refuse(data, found)

    def server_connected(self, data: server_hooks.ServerConnectionHookData) -> None:
        peer = data.server.peername
        if peer is None or self._named_by(data) is None or (found := first_private([peer[0]])) is None:
            return
        self._refuse(data, found)
        # Nothing was sent yet, and what will be written into a closed transport goes nowhere.
        io = ctx.master.addons.get("proxyserver").connections[data.client.id].transports.get(data.server)
        if io and io.writer:
            io.writer.transport.abort()

    def _named_by(self, data: server_hooks.ServerConnectionHookData) -> str | None:
        if data.server.via or data.server.address is None:
            return None
        return self.proxy.named_targets.get(data.client.id, {}).get(data.server.address[:2])

    def _refuse(self, data: server_hooks.ServerConnectionHookData, found: str) -> str:
        assert data.server.address
        host, port = data.server.address[:2]
        message = (
            f"{self._named_by(data)} names {host}, which is at {found}, an address of this machine or its network; "
            "if it may be called, add its URL to [targets] allow in heliograph.toml"
        )
        self._refused.setdefault(data.client.id, {})[host, port] = message
        return message

    def attempt_ended(self, flow: http.HTTPFlow) -> None:
        self._mark(flow)

    def upstream_failed(self, flow: http.HTTPFlow) -> None:
        """The caller and the row hear of a refusal, whatever mitmproxy made of it."""
        message = self._mark(flow)
        if message is None:
            return
        if flow.error:
            flow.error.msg = message
        if call := self.proxy.calls.get(flow.id):
            call.attempts -= 1

    def _mark(self, flow: http.HTTPFlow) -> str | None:
        message = self._refused.get(flow.client_conn.id, {}).get((flow.request.host, flow.request.port))
        if message:
            flow.metadata[BROKEN_BY] = REFUSED
        return message

    def client_disconnected(self, client: connection.Client) -> None:
        self.proxy.named_targets.pop(client.id, None)
        self._refused.pop(client.id, None)
