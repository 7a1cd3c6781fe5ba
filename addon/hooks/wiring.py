"""Lays our HTTP stream under every connection, and keeps what belongs to a connection rather than to a call."""

import asyncio
import logging
from collections import defaultdict
from typing import Any, Final

from mitmproxy import connection, ctx, http, tls
from mitmproxy.proxy import layer, server_hooks
from mitmproxy.proxy.mode_specs import RegularMode, ReverseMode

from addon.config import controls
from addon.hooks.proxy import Proxy
from addon.hooks.route import proxy_key_needed
from addon.mitm.lean_master import speed_up
from addon.routing.router import decrypts

logger = logging.getLogger(__name__)

# mitmproxy allows five upstream connections for each client connection, held until they close: an agent that sends
# many calls over one HTTP/2 connection would wait in line.
_UPSTREAM_CONNECTIONS: Final = 1000


class Wiring:
    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self._upstream: Any = None  # the module addon.mitm.stream, where this mitmproxy has what it relies on
        self._deadlines: Any = None
        self._look: asyncio.Task[None] | None = None
        self._patience: dict[str, asyncio.TimerHandle] = {}  # by server connection id, until it is usable

    def load(self, _: object) -> None:
        speed_up(ctx.master.addons)
        try:
            from addon.mitm import http1
            from addon.mitm import stream as upstream

            missing = upstream.internals_missing()
        except ImportError as error:
            missing = [str(error)]
        if missing:
            logger.warning(
                "heliograph: this mitmproxy lacks %s; running plain: no JSON errors, no timeouts, no retries, no shared calls",
                ", ".join(missing),
            )
            return
        http1.mend()
        self._upstream, self._deadlines = upstream, upstream.Deadlines()
        self.proxy.has_own_streams = True

    def running(self) -> None:
        if self._upstream:
            self._look = asyncio.get_running_loop().create_task(self._watch_deadlines())

    async def _watch_deadlines(self) -> None:
        connections = ctx.master.addons.get("proxyserver").connections
        while True:
            await asyncio.sleep(self._deadlines.LOOK_EVERY_S)
            for stream in self._deadlines.passed():
                if handler := connections.get(stream.context.client.id):
                    await handler.server_event(stream.deadline_passed())
                else:
                    self._deadlines.streams.discard(stream)

    def done(self) -> None:
        if self._look:
            self._look.cancel()

    def next_layer(self, next_layer: layer.NextLayer) -> None:
        ctx.master.addons.get("nextlayer").next_layer(next_layer)  # under `mitmdump -s` we come before it
        if self._upstream and next_layer.layer:
            self._upstream.adopt(next_layer, self._deadlines, self.proxy.via)

    def http_connect(self, flow: http.HTTPFlow) -> None:
        self.proxy.connects += 1
        self.proxy.introduce(flow.client_conn.id, flow.request.headers.pop(controls.PROXY_AUTHORIZATION, None))
        if not decrypts(flow.request.host.lower()) and self.proxy.is_closed_to(flow.client_conn.id):
            flow.response = proxy_key_needed()  # inside a provider's tunnel each call may bring its own

    def client_connected(self, client: connection.Client) -> None:
        handler = ctx.master.addons.get("proxyserver").connections.get(client.id)
        if handler:
            handler.max_conns = defaultdict(lambda: asyncio.Semaphore(_UPSTREAM_CONNECTIONS))

    def tls_clienthello(self, data: tls.ClientHelloData) -> None:
        """What our stream does at a CONNECT, for mitmproxy's other modes (upstream, socks5, transparent, local)."""
        address = data.context.server.address
        if isinstance(data.context.client.proxy_mode, RegularMode | ReverseMode) or address is None:
            return
        data.ignore_connection = not decrypts((data.client_hello.sni or address[0]).lower())

    def client_disconnected(self, client: connection.Client) -> None:
        self.proxy.forget(client.id)
        if self._deadlines:
            self._deadlines.connect_s.pop(client.id, None)

    def tls_failed_client(self, data: tls.TlsData) -> None:
        """A program that does not trust our certificate breaks off here: the one place where that can be told."""
        host = data.conn.sni or (data.context.server.address or ("an unknown host", 0))[0]
        self.proxy.untrusted.add(host)

    # mitmproxy waits for a connection as long as the system does, which is minutes.

    def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        transports = ctx.master.addons.get("proxyserver").connections[data.client.id].transports
        allowed_s = self._connect_s(data.client.id, data.server.address)

        def give_up() -> None:
            self._patience.pop(data.server.id, None)
            if (io := transports.get(data.server)) and io.handler:
                io.handler.cancel(f"no connection within {allowed_s:g} s")

        self._patience[data.server.id] = asyncio.get_running_loop().call_later(allowed_s, give_up)

    def _connect_s(self, client_id: str, address: connection.Address | None) -> float:
        """What the call asks for that opens the connection. Calls that wait for the same one (HTTP/2) share its outcome."""
        asked = self._deadlines.connect_s.get(client_id, {}) if self._deadlines else {}
        allowed_s: float = asked.get(address, self.proxy.settings.timeouts.connect_s)
        return allowed_s

    def server_connected(self, data: server_hooks.ServerConnectionHookData) -> None:
        if not data.server.tls:
            self._relax(data.server)

    def tls_established_server(self, data: tls.TlsData) -> None:
        self._relax(data.conn)

    def server_connect_error(self, data: server_hooks.ServerConnectionHookData) -> None:
        self._relax(data.server)

    def server_disconnected(self, data: server_hooks.ServerConnectionHookData) -> None:
        self._relax(data.server)

    def _relax(self, server: connection.Connection) -> None:
        if timer := self._patience.pop(server.id, None):
            timer.cancel()
