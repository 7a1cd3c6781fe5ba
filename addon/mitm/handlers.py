"""mitmproxy's handlers of client connections: their tasks, transports and limits."""

import asyncio
import os
import socket
from collections import defaultdict
from collections.abc import Callable
from typing import Any, Final, Literal

from mitmproxy import connection, ctx, http
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.modes import HttpProxy
from mitmproxy.proxy.mode_specs import ReverseMode, UpstreamMode

from addon.mitm.lean_master import TableAddonManager
from addon.mitm.outermost_layer import OutermostLayer

_CLOSING_S: Final = 1.0
_CHOOSERS: Final = 2  # of the next layer: ours and mitmproxy's own


def handler_of(client_id: str) -> Any:
    """mitmproxy's handler of a client connection; None once the connection is over."""
    return ctx.master.addons.get("proxyserver").connections.get(client_id)


def listen_addresses() -> list[tuple[str, int]]:
    """Every address that the proxy listens on, whatever the mode."""
    return [(address[0], address[1]) for address in ctx.master.addons.get("proxyserver").listen_addrs()]


def lengthen_queue(most: int) -> None:
    """So many connections may wait to be accepted. mitmproxy leaves asyncio's default; the system may allow fewer."""
    for instance in ctx.master.addons.get("proxyserver").servers:
        listening = [server for server in getattr(instance, "_servers", ()) if isinstance(server, asyncio.Server)]
        for known in (each for server in listening for each in server.sockets):
            with socket.socket(fileno=os.dup(known.fileno())) as same:
                same.listen(most)


def mode_targets() -> set[tuple[str, int]]:
    """Where mitmproxy's modes lead (`reverse:URL`, `upstream:URL`): named by the person who started it."""
    modes = [server.mode for server in ctx.master.addons.get("proxyserver").servers]
    return {mode.address for mode in modes if isinstance(mode, ReverseMode | UpstreamMode)}


async def deliver(client_id: str, event: events.Event) -> bool:
    """Send an event into the connection's layers. False: the connection is over."""
    if (handler := handler_of(client_id)) is None:
        return False
    await handler.server_event(event)
    return True


def inject_message(flow: http.HTTPFlow, text: bytes, *, to_client: bool) -> None:
    """Send a text message of our own on a WebSocket, after what is under way. HTTP/1.1 only, as mitmproxy's sockets are."""
    ctx.master.addons.get("proxyserver").inject_websocket(flow, to_client, text)


async def drain(client_id: str) -> None:
    """Wait until the caller has taken what was written to it."""
    if handler := handler_of(client_id):
        await handler.drain_writers()


def save_work(client_id: str, plain_http: Callable[[Context], layer.Layer]) -> None:
    """Fewer tasks and system calls for a connection that has just come. `plain_http` makes our layer for plain HTTP."""
    handler, addons = handler_of(client_id), ctx.master.addons
    if handler and isinstance(addons, TableAddonManager):
        is_asked = type(handler.layer) is HttpProxy and _nobody_else_chooses(addons)
        handler.layer = OutermostLayer(handler.layer, addons, plain_http if is_asked else None)


def _nobody_else_chooses(addons: TableAddonManager) -> bool:
    """Whether the layer of a proxy's caller is chosen by us and mitmproxy alone, by what the caller says first."""
    by_host = ctx.options.ignore_hosts or ctx.options.allow_hosts
    return addons.number_of_handlers("next_layer") == _CHOOSERS and not by_host


class PatientLock(asyncio.Lock):
    """A task that is cancelled while it waits is cancelled once it has had its turn."""

    async def acquire(self) -> Literal[True]:
        cancelled: asyncio.CancelledError | None = None
        while True:
            try:
                await super().acquire()
                break
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled and (task := asyncio.current_task()):
            task.cancel(*cancelled.args)
        return True


def lose_no_event(client_id: str) -> None:
    """mitmproxy cancels the tasks of upstream connections when the caller is gone. One that was waiting for its turn to bring
    an event (the connection is open, data has come, it has ended) would lose it, and its stream would wait for ever."""
    if handler := handler_of(client_id):
        handler._server_event_lock = PatientLock()


def allow_upstream_connections(client_id: str, most: int) -> None:
    if handler := handler_of(client_id):
        handler.max_conns = defaultdict(lambda: asyncio.Semaphore(most))


def cancel_connecting(client_id: str, server: connection.Server, reason: str) -> None:
    handler = handler_of(client_id)
    io = handler.transports.get(server) if handler else None
    if io and io.handler:
        io.handler.cancel(reason)


def abort(client_id: str, server: connection.Server) -> None:
    """Close an upstream connection at once; what is written into it afterwards goes nowhere."""
    handler = handler_of(client_id)
    io = handler.transports.get(server) if handler else None
    if io and io.writer:
        io.writer.transport.abort()


def cut_caller(client_id: str) -> None:
    """Close a caller's connection as mitmproxy does when nothing has come for too long."""
    handler = handler_of(client_id)
    io = handler.transports.get(handler.client) if handler else None
    if io and io.handler:
        io.handler.cancel("too slow")


async def wait_until_closed(client_id: str) -> None:
    """Until the upstream connections that are being closed are closed: mitmproxy cancels the tasks of a caller that left,
    and a task that is cancelled a second time leaves its socket open for ever."""
    if (handler := handler_of(client_id)) is None:
        return
    tasks = [io.handler for known, io in handler.transports.items() if known.state is connection.ConnectionState.CLOSED]
    if tasks := [task for task in tasks if task]:
        await asyncio.wait(tasks, timeout=_CLOSING_S)
