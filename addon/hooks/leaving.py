"""How a worker goes that is being replaced: it accepts no further connection, ends those that it has as they fall idle, and
lets calls, tunnels and WebSockets go on for a while.

HTTP/1.1 callers are told with their next answer, HTTP/2 callers by GOAWAY when none of their calls is under way. One whose calls
overlap without a pause is told after half of the time, so that its last calls have the other half."""

import asyncio
from collections.abc import Collection
from typing import Final

from mitmproxy import ctx

from addon.hooks.proxy import Proxy
from addon.mitm.handlers import cut_caller, deliver

# A connection that is in use ends with its next answer, which says so. One that has been idle for this long is closed: its
# caller is hardly about to send at that very moment.
QUIET_S: Final = 1.0
_LOOK_EVERY_S: Final = 0.1


async def leave(proxy: Proxy, grace_s: float) -> None:
    """Returns when no connection is left, or after `grace_s`."""
    proxy.connections.is_leaving, proxy.counts.serving = True, 0
    ctx.options.update(server=False)
    loop = asyncio.get_running_loop()
    half_time, deadline = loop.time() + grace_s / 2, loop.time() + grace_s
    all_are_told = False
    idle_since: dict[str, float] = {}
    await asyncio.sleep(_LOOK_EVERY_S)  # what was accepted a moment ago becomes a connection meanwhile
    while proxy.connections and loop.time() < deadline:
        http2 = set(proxy.connections.http2())
        for client_id in (found := proxy.connections.idle()):
            if client_id not in idle_since and client_id in http2:
                await _tell(client_id, soon=False)
            if loop.time() - idle_since.setdefault(client_id, loop.time()) >= QUIET_S:
                cut_caller(client_id)
        _keep_only(idle_since, found)
        if not all_are_told and loop.time() >= half_time:
            all_are_told = True
            for client_id in http2:
                await _tell(client_id, soon=True)
        await asyncio.sleep(_LOOK_EVERY_S)


async def _tell(client_id: str, *, soon: bool) -> None:
    # Imported late: where this mitmproxy lacks what the module needs, there are no HTTP/2 connections.
    from addon.mitm.stream_events import ProxyLeaves

    await deliver(client_id, ProxyLeaves(soon=soon))


def _keep_only(times: dict[str, float], ids: Collection[str]) -> None:
    for other in times.keys() - set(ids):
        del times[other]
