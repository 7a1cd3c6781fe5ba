"""How a worker goes that is being replaced: it accepts no further connection, ends those that it has as they fall idle, and
lets calls, tunnels and WebSockets go on for a while."""

import asyncio
from collections.abc import Collection
from typing import Final

from mitmproxy import ctx

from addon.hooks.proxy import Proxy
from addon.mitm.handlers import cut_caller

# A connection that is in use ends with its next answer, which says so. One that has been idle for this long is closed: its
# caller is hardly about to send at that very moment.
QUIET_S: Final = 1.0
_LOOK_EVERY_S: Final = 0.1


async def leave(proxy: Proxy, grace_s: float) -> None:
    """Returns when no connection is left, or after `grace_s`."""
    proxy.is_leaving, proxy.counts.serving = True, 0
    ctx.options.update(server=False)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + grace_s
    idle_since: dict[str, float] = {}
    await asyncio.sleep(_LOOK_EVERY_S)  # what was accepted a moment ago becomes a connection meanwhile
    while proxy.connections and loop.time() < deadline:
        for client_id in (found := proxy.connections.idle()):
            if loop.time() - idle_since.setdefault(client_id, loop.time()) >= QUIET_S:
                cut_caller(client_id)
        _keep_only(idle_since, found)
        await asyncio.sleep(_LOOK_EVERY_S)


def _keep_only(times: dict[str, float], ids: Collection[str]) -> None:
    for other in times.keys() - set(ids):
        del times[other]
