"""Identical calls at the same time: the first one is sent, the others get its answer while it comes.

Only where the cache is on, and no bucket of several answers is to be filled. In place of an upstream connection a caller
follows the flight of an identical call (`flights.py`); it is neither limited nor billed, as with a hit.
"""

import asyncio
from typing import Any

from mitmproxy import ctx, http

from addon.hooks.call import Call, Reference
from addon.hooks.flights import Flight, FlightFailed
from addon.hooks.marks import BROKEN_BY, FOLLOWS, HOLD
from addon.hooks.proxy import Proxy


def flight_key(flow: http.HTTPFlow, call: Call) -> str | None:
    """What calls must have in common to share one answer: the cache key, and the encodings that the caller reads. None:
    they cannot share, since each of them fills a slot of a bucket."""
    if len(call.cache_keys) != 1:
        return None
    return f"{call.cache_keys[0]} {flow.request.headers.get('accept-encoding', '')}"


def follow(proxy: Proxy, flow: http.HTTPFlow, call: Call) -> bool:
    """Join the flight of an identical call, if there is one."""
    key = flight_key(flow, call)
    flight = proxy.flights.join(key, flow.id) if key else None
    if flight is None:
        return False
    call.cache_status, call.attempts = "coalesced", 0
    call.reference = Reference(flight.call.start.request_id, flight.call.start.started_at_us)
    flow.metadata[FOLLOWS] = True
    flow.metadata.pop(HOLD, None)  # the leader's attempts are everybody's
    return True


async def abandon(flight: Flight) -> None:
    """The last one who waited is gone, the leader's caller before: nothing more is to be generated and billed."""
    stream = flight.left_stream
    handler = client_handler(stream.flow.client_conn.id)
    if handler and not flight.is_over:
        await handler.server_event(stream.abandoned())


class Share:
    """Feeds who follows, and lets go who leaves."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self._feeds: dict[str, asyncio.Task[None]] = {}  # by flow id

    def answer_wanted(self, stream: Any) -> None:
        """A stream of `upstream.py` is ready for the answer that it follows."""
        if flight := self.proxy.flights.followed_by(stream.flow.id):
            self._feeds[stream.flow.id] = asyncio.get_running_loop().create_task(self._feed(stream, flight))

    async def _feed(self, stream: Any, flight: Flight) -> None:
        handler = client_handler(stream.flow.client_conn.id)
        if handler is None:  # it went away this very moment
            return
        try:
            async for part in flight.parts():
                await handler.server_event(stream.fed(part))
                await handler.drain_writers()
        except FlightFailed as failure:
            stream.flow.metadata[BROKEN_BY] = failure.broken_by
            await handler.server_event(stream.fed_failure(failure.message))
        else:
            await handler.server_event(stream.fed(b""))

    def response(self, flow: http.HTTPFlow) -> None:
        self._let_go(flow)

    async def error(self, flow: http.HTTPFlow) -> None:
        flight = self._let_go(flow)
        if flight and flight.left_stream and not flight.followers:
            await abandon(flight)

    def _let_go(self, flow: http.HTTPFlow) -> Flight | None:
        if feed := self._feeds.pop(flow.id, None):
            feed.cancel()
        return self.proxy.flights.leave(flow.id)


def client_handler(client_id: str) -> Any:
    """mitmproxy's handler of a client connection; None once the caller is gone for good."""
    return ctx.master.addons.get("proxyserver").connections.get(client_id)
