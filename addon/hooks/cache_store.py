"""Keeps each fresh answer that the cache is on for: for later calls (the store), and for identical calls at the same time
(a flight, see `calls/flights.py`).
"""

import asyncio
import time
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final

from mitmproxy import http

from addon.caching.policy import CachePolicy
from addon.caching.secrets import has_secrets
from addon.caching.store import Stored, storable_headers
from addon.calls.call import Call, Flight
from addon.calls.failures import Failure
from addon.config import controls
from addon.hooks.coalesce import abandon, answer_from_flight, flight_key, may_share
from addon.hooks.proxy import Proxy
from addon.hooks.services import Services
from addon.metering.reading import decode, read_answer, request_facts
from addon.metering.terminal import answer_framing
from addon.mitm.handlers import deliver

if TYPE_CHECKING:
    from addon.mitm.stream import CallStream

_EVENT_END: Final = (b"\n\n", b"\r\n\r\n", b"\r\r")


class StoreAnswers:
    def __init__(self, proxy: Proxy, services: Services) -> None:
        self.proxy, self.services = proxy, services
        self._writes: set[asyncio.Task[None]] = set()

    def request(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        call = self.proxy.calls.of(flow.id)
        if call is None or call.sharing.reference or flow.response:
            return None
        policy = call.asked.controls.cache
        if policy is None or not call.sharing.cache_keys or not may_share(call, policy):
            return None
        return self._begin_flight(flow, call, policy)

    async def _begin_flight(self, flow: http.HTTPFlow, call: Call, policy: CachePolicy) -> None:
        if policy.read and await answer_from_flight(self.proxy.flights, flow, call):
            return  # an identical call began while the limits were asked
        if call.sharing.claim:
            call.sharing.claim.keep()
        key = flight_key(flow, call) if self.proxy.has_own_streams else None
        self.proxy.flights.start(Flight(call=call, key=key, policy=policy, request=flow.request.raw_content or b""))

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        flight, response = self._flight(flow), flow.response
        if flight is None or response is None:
            return
        pass_on, copied = response.stream, flight.call.copied
        headers = http.Headers(storable_headers(response.headers.fields, controls.PREFIX.encode()))
        flight.begin(
            http.Response(b"HTTP/1.1", response.status_code, response.data.reason, headers, None, None, 0, None)
        )

        if flight.call.sharing.claim and not flight.is_storable:  # nothing to wait for
            flight.call.sharing.claim.release()

        def keep(piece: bytes) -> object:
            if copied.response_truncated:  # longer than what is stored
                self.proxy.flights.close(flight)
            if piece and (flight.followers or not copied.response_truncated):
                flight.add(piece)
            return pass_on(piece)  # type: ignore[operator]  # Capture's copy into the journal

        response.stream = keep  # type: ignore[assignment]

    def response(self, flow: http.HTTPFlow) -> None:
        if flight := self._flight(flow):
            flight.finish(time.time())
            self._land(flight)
        else:
            self._release(flow)

    def error(self, flow: http.HTTPFlow) -> None:
        flight = self._flight(flow)
        if flight is None:
            self._release(flow)
            return
        if _is_whole(flight):
            flight.finish(time.time())
        else:
            failure = flight.call.upstream.failure
            if failure in (None, Failure.CALLER):  # for a follower the leader is its provider
                failure = Failure.PROVIDER
            flight.fail(failure, flow.error.msg if flow.error else "no reason given")
        self._land(flight)

    def _flight(self, flow: http.HTTPFlow) -> Flight | None:
        call = self.proxy.calls.of(flow.id)
        return call.sharing.leads if call else None

    def _release(self, flow: http.HTTPFlow) -> None:
        """The call was refused, or ended before it was sent: it makes no answer."""
        call = self.proxy.calls.of(flow.id)
        if call and call.sharing.claim:
            call.sharing.claim.release()

    def _land(self, flight: Flight) -> None:
        """Stored first, closed then: an identical call in between gets the answer from the flight."""
        self.proxy.flights.land(flight)
        if not (flight.is_whole and flight.is_storable):
            self.proxy.flights.close(flight)
            return
        write = asyncio.get_running_loop().create_task(self._store(flight))
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)

    async def _store(self, flight: Flight) -> None:
        try:
            await self._put(flight)
        finally:
            self.proxy.flights.close(flight)

    async def _put(self, flight: Flight) -> None:
        policy, now = flight.policy, flight.ended_at
        assert now is not None
        if stored := await asyncio.to_thread(self._storable, flight):
            keys = flight.call.sharing.cache_keys
            await self.services.cache.put(keys, stored, now=now, max_age_s=policy.max_age_s, seed=policy.seed)

    def _storable(self, flight: Flight) -> Stored | None:
        """In a thread: reads the request for the model's name, and the answer for an error. None: it may not be stored."""
        start = flight.call.asked.start
        facts = request_facts(decode(flight.request, start.content_encoding)[0])
        stored = flight.stored(model=facts.model or start.path_model)
        redactor = self.services.redactor
        if (redactor and has_secrets(redactor, stored, flight.policy.seed)) or _has_failed(flight):
            return None
        return stored

    async def caller_left(self, stream: "CallStream") -> None:
        """The stream goes on without its caller, for the callers that follow."""
        call: Call | None = stream.call
        if call and call.sharing.leads:
            call.sharing.caller_left = call.copied.finished_at is None
            call.sharing.leads.end_early = lambda: deliver(stream.flow.client_conn.id, stream.abandoned())
            if not call.sharing.leads.followers:
                await abandon(self.proxy.flights, call.sharing.leads)


def _has_failed(flight: Flight) -> bool:
    """Whether an answer with status 200 tells of an error: a stream may end in one, and some providers answer so."""
    answer, operation = flight.call.answer, flight.call.attempts.operation
    body, _ = decode(b"".join(flight.pieces), answer.content_encoding)
    return read_answer(operation, body, answer_framing(operation, answer.content_type)).error_type is not None


def _is_whole(flight: Flight) -> bool:
    """A caller that leaves after the terminal event has had the whole answer."""
    finished = flight.call.copied.finished_at and not flight.call.answer.content_encoding
    return bool(finished and flight.pieces and flight.pieces[-1].endswith(_EVENT_END))
