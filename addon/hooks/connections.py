"""Callers' connections: our HTTP stream under each of them, the time that a connection upstream may take, their one end."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final

from mitmproxy import connection, ctx, http, tls
from mitmproxy.hooks import Hook
from mitmproxy.proxy import layer, server_hooks
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.mode_specs import RegularMode, ReverseMode

from addon.calls.answers import error_answer
from addon.calls.connection import Address, ClientConnection
from addon.config import controls, proxy_url
from addon.config.upstreams import Origin
from addon.descriptors import LONGEST_QUEUE, raise_limit
from addon.hooks.admission import introduce, may_call, why_not
from addon.hooks.coalesce import outlive_caller
from addon.hooks.proxy import Proxy
from addon.hooks.route import proxy_key_needed
from addon.hooks.services import Services
from addon.mitm.handlers import (
    allow_upstream_connections,
    cancel_connecting,
    cut_caller,
    deliver,
    handler_of,
    lengthen_queue,
    lose_no_event,
    save_work,
)
from addon.mitm.lean_master import TableAddonManager, speed_up
from addon.routing.addresses import is_loopback

_HTTPS: Final = 443

logger = logging.getLogger(__name__)

# mitmproxy allows five upstream connections for each client connection, held until they close: an agent that sends
# many calls over one HTTP/2 connection would wait in line.
_UPSTREAM_CONNECTIONS: Final = 1000


def _call_at_once() -> Callable[[Hook], bool]:
    addons = ctx.master.addons
    return addons.call_at_once if isinstance(addons, TableAddonManager) else lambda hook: False


class Connections:
    def __init__(self, proxy: Proxy, services: Services) -> None:
        self.proxy, self.services = proxy, services
        proxy.connections.head_s = services.settings.head_s
        held_bytes = services.settings.held_bytes // proxy.workers
        proxy.calls.held.most_bytes = proxy.calls.held_answers.most_bytes = held_bytes
        self._layers: Any = None  # the module addon.mitm.call_layer, where this mitmproxy has what it relies on
        self._setup: Any = None
        self._pool: Any = None
        self._look: asyncio.Task[None] | None = None

    def load(self, _: object) -> None:
        speed_up(ctx.master.addons)
        raise_limit()
        try:
            from addon.mitm import (
                base_stream,
                call_layer,
                deadlines,
                http1,
                internals,
                lookups,
                upstream_pool,
                websocket_frames,
            )

            missing = internals.internals_missing()
        except ImportError as error:
            missing = [str(error)]
        if missing:
            logger.warning(
                "heliograph: this mitmproxy lacks %s; running plain: no JSON errors, no timeouts, no retries, no shared calls",
                ", ".join(missing),
            )
            return
        http1.mend()
        websocket_frames.mend()
        lookups.mend()
        self._layers = call_layer
        self._setup = base_stream.StreamSetup(
            self.proxy.calls,
            self.proxy.connections,
            deadlines.Deadlines(),
            self.services.via,
            self.services.opens,
            _call_at_once(),
        )
        self._pool = upstream_pool.UpstreamPool(handler_of)
        self.proxy.has_own_streams = True

    def running(self) -> None:
        if self.services.settings.looks_up_callers:
            self.services.callers.start()
        lengthen_queue(LONGEST_QUEUE)
        if self._setup:
            self._look = asyncio.get_running_loop().create_task(self._watch_deadlines())

    async def _watch_deadlines(self) -> None:
        from addon.mitm.deadlines import LOOK_EVERY_S
        from addon.mitm.stream_events import DeadlinePassed, HeadIsLate

        deadlines = self._setup.deadlines
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            for client_id, is_told in self.proxy.connections.late(time.monotonic()):
                if is_told:
                    cut_caller(client_id)
                else:
                    await deliver(client_id, HeadIsLate())
            for stream in deadlines.passed():
                if not await deliver(stream.flow.client_conn.id, DeadlinePassed(stream)):
                    deadlines.forget(stream)

    def done(self) -> None:
        if self._look:
            self._look.cancel()
        if self._setup:
            self._pool.close()

    def next_layer(self, next_layer: layer.NextLayer) -> None:
        ctx.master.addons.get("nextlayer").next_layer(next_layer)  # under `mitmdump -s` we come before it
        if self._setup and next_layer.layer:
            self._layers.adopt(next_layer, self._setup, self._pool, needs_tls=bool(self.services.settings.keys))

    def _plain_http(self, context: Context) -> layer.Layer:
        made: layer.Layer = self._layers.for_plain_http(context, self._setup, self._pool)
        return made

    def http_connect(self, flow: http.HTTPFlow) -> None:
        self.proxy.counts.connects += 1
        caller = self.proxy.connections.of(flow.client_conn)
        introduce(flow, caller, self.services)
        opened = self.services.opens(flow.request.host.lower(), flow.request.port)
        self.proxy.note_host(flow.request.host, opened)
        if self.services.settings.keys and opened and not self._has_tls(flow.request):
            message = f"with keys, {flow.request.host} is reached on port {_HTTPS} only, where calls can be seen"
            flow.response = error_answer(None, 403, "target_not_approved", message)
        elif not (opened or may_call(flow, self.services)):
            # Inside a provider's tunnel each call may bring its own.
            flow.response = proxy_key_needed(why_not(flow, caller, self.services))
        elif not opened:
            caller.requests += 1

    def _has_tls(self, request: http.Request) -> bool:
        """Whether a tunnel to this port of a provider's host carries TLS."""
        named = Origin("https", request.host.lower(), request.port)
        return request.port == _HTTPS or named in self.services.settings.upstreams.values()

    def http_connect_upstream(self, flow: http.HTTPFlow) -> None:
        """Our own CONNECT to the proxy that this machine used before us."""
        if user_and_password := self.services.settings.upstream_proxy_auth:
            flow.request.headers[controls.PROXY_AUTHORIZATION] = proxy_url.basic(user_and_password)

    def client_connected(self, client: connection.Client) -> None:
        allow_upstream_connections(client.id, _UPSTREAM_CONNECTIONS)
        if self._setup:
            lose_no_event(client.id)
            save_work(client.id, self._plain_http)
        caller = self.proxy.connections.of(client)
        caller.waits_for_head(True)
        if self.services.settings.looks_up_callers and is_loopback(client.peername[0]):
            caller.caller_process = self.services.callers.ask(client.peername[:2], client.sockname[:2])

    async def client_disconnected(self, client: connection.Client) -> None:
        """The one end of all that belongs to the connection. mitmproxy closes what is open upstream for it after this."""
        caller = self.proxy.connections.of(client)
        caller.gone.set()
        await outlive_caller(self.proxy.flights, caller, self.services.settings.timeouts.total_s)
        self.proxy.connections.end(client.id)
        if self._setup:
            await self._pool.keep(client.id)

    def tls_clienthello(self, data: tls.ClientHelloData) -> None:
        """What our stream does at a CONNECT, for mitmproxy's other modes (upstream, socks5, transparent, local)."""
        address = data.context.server.address
        if isinstance(data.context.client.proxy_mode, RegularMode | ReverseMode) or address is None:
            return
        data.ignore_connection = not self.services.opens((data.client_hello.sni or address[0]).lower(), address[1])

    def tls_established_client(self, data: tls.TlsData) -> None:
        self.proxy.connections.of(data.context.client).waits_for_head(False)

    def tls_failed_client(self, data: tls.TlsData) -> None:
        """A program that does not trust our certificate breaks off here: the one place where that can be told."""
        host = data.conn.sni or (data.context.server.address or ("an unknown host", 0))[0]
        self.proxy.untrusted.add(host)

    # mitmproxy waits for a connection as long as the system does, which is minutes.

    def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        caller, server = self.proxy.connections.of(data.client), data.server
        allowed_s = self._connect_s(caller, server.address)

        def give_up() -> None:
            caller.stop_timer(server.id)
            cancel_connecting(data.client.id, server, f"no connection within {allowed_s:g} s")

        caller.connect_timers[server.id] = asyncio.get_running_loop().call_later(allowed_s, give_up)

    def _connect_s(self, caller: ClientConnection, address: Address | connection.Address | None) -> float:
        """What the call allows that opens the connection. Calls that wait for the same one (HTTP/2) share its outcome."""
        usual_s: float = self.services.settings.timeouts.connect_s
        return caller.connect_within_s.get(address[:2], usual_s) if address else usual_s

    def server_connected(self, data: server_hooks.ServerConnectionHookData) -> None:
        if not data.server.tls:
            self._stop_timer(data.client, data.server)

    def tls_established_server(self, data: tls.TlsData) -> None:
        self._stop_timer(data.context.client, data.conn)

    def server_connect_error(self, data: server_hooks.ServerConnectionHookData) -> None:
        self._stop_timer(data.client, data.server)

    def server_disconnected(self, data: server_hooks.ServerConnectionHookData) -> None:
        self._stop_timer(data.client, data.server)

    def _stop_timer(self, client: connection.Client, server: connection.Connection) -> None:
        self.proxy.connections.of(client).stop_timer(server.id)
