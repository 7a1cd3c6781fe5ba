"""Identical calls at the same time: the first one is sent, the others get its answer while it comes.

Only where the cache is on, and no bucket of several answers is being filled. In place of an upstream connection a caller
follows the flight of an identical call (`calls/flights.py`); like a hit, it is neither limited nor billed.
"""

import asyncio
from typing import TYPE_CHECKING

from mitmproxy import http

from addon.caching.policy import CachePolicy
from addon.caching.store import Hit
from addon.calls.call import Call, Calls, Flight, FlightFailed
from addon.calls.connection import ClientConnection
from addon.calls.failures import Failure
from addon.calls.flights import Flights
from addon.calls.parts import Reference
from addon.hooks.cached_answer import give
from addon.mitm.handlers import deliver, drain, wait_until_closed

if TYPE_CHECKING:
    from addon.mitm.stream import CallStream


def may_share(call: Call, policy: CachePolicy) -> bool:
    """Whether the call's answer may be stored, and so given to others."""
    return policy.save and not call.asked.controls.omit_response


def flight_key(flow: http.HTTPFlow, call: Call) -> str | None:
    """What calls must have in common to share one answer: the cache key, and the encodings that the caller reads. None:
    they cannot share, since each of them fills a slot of a bucket."""
    if len(call.sharing.cache_keys) != 1:
        return None
    return f"{call.sharing.cache_keys[0]} {flow.request.headers.get('accept-encoding', '')}"


async def answer_from_flight(flights: Flights, flow: http.HTTPFlow, call: Call) -> bool:
    """Use the answer of an identical call, if there is one: a hit where it is whole, else this call follows it."""
    key = flight_key(flow, call)
    flight = flights.find(key) if key else None
    if flight is None:
        return False
    if flight.is_whole:  # and on its way into the store
        return await give(flow, call, Hit(flight.stored(), bucket_idx=0))
    flights.join(flight, call)
    call.sharing.status, call.attempts.made = "coalesced", 0
    start = flight.call.asked.start
    call.sharing.reference = Reference(start.request_id, start.started_at_us)
    call.attempts.hold = None  # the leader's attempts count for everybody
    return True


async def abandon(flights: Flights, flight: Flight) -> None:
    """The last caller that waited is gone, the leader's before it: nothing more is to be generated and billed."""
    flights.close(flight)
    if flight.end_early and not flight.is_over:
        flight.call.sharing.is_abandoned = True
        await flight.end_early()


async def outlive_caller(flights: Flights, caller: ClientConnection, longest_s: float) -> None:
    """Until the calls are over that a caller that left leads and others follow: mitmproxy closes its upstream connections
    when we return."""
    led = flights.left_by(caller)
    for flight in led:
        if not flight.followers:
            flights.close(flight)
            continue
        try:
            await asyncio.wait_for(flight.over(), longest_s)
        except TimeoutError:  # a stream of ours broke, or it would have ended by its own deadline
            flight.fail(Failure.TIMEOUT, "the shared call did not end in time")
    if led:
        await wait_until_closed(caller.id)


class Coalesce:
    """Sends each new piece to the callers that share an answer, and drops callers that disconnect; those of a replayed
    answer, too."""

    def __init__(self, calls: Calls, flights: Flights) -> None:
        self.calls, self.flights = calls, flights

    def answer_wanted(self, stream: "CallStream") -> None:
        """A stream is ready for the answer that its call follows."""
        call = stream.call
        if call and call.sharing.follows:
            feeding = _feed(stream, call.sharing.follows)
            call.sharing.feed = asyncio.get_running_loop().create_task(feeding)

    def response(self, flow: http.HTTPFlow) -> None:
        self._let_go(flow)

    async def error(self, flow: http.HTTPFlow) -> None:
        flight = self._let_go(flow)
        if flight and flight.end_early and not flight.followers:
            await abandon(self.flights, flight)

    def _let_go(self, flow: http.HTTPFlow) -> Flight | None:
        call = self.calls.of(flow.id)
        if call is None:
            return None
        if call.sharing.feed:
            call.sharing.feed.cancel()
        return self.flights.leave(call)


async def _feed(stream: "CallStream", flight: Flight) -> None:
    client_id = stream.flow.client_conn.id
    try:
        async for part in flight.parts():
            if not await deliver(client_id, stream.fed(part)):
                return  # the connection is over
            await drain(client_id)
    except FlightFailed as failed:
        await deliver(client_id, stream.fed_failure(failed.failure, failed.message))
    else:
        await deliver(client_id, stream.fed(b""))
