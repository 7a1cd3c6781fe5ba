"""Keeps each fresh answer that the cache is on for: for those who ask later (the store), and for those who ask meanwhile
(a flight, see `flights.py`).
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final

from mitmproxy import connection, http

from addon.caching.policy import CachePolicy
from addon.caching.store import Stored, storable_headers
from addon.hooks.call import Call
from addon.hooks.coalesce import abandon, client_handler, flight_key, follow
from addon.hooks.flights import Flight
from addon.hooks.marks import BROKEN_BY, CALLER, TIMEOUT
from addon.hooks.proxy import Proxy
from addon.metering.reading import decode, request_facts

_CLOSING_S: Final = 1.0
_EVENT_END: Final = (b"\n\n", b"\r\n\r\n", b"\r\r")


@dataclass(slots=True)
class Fresh:
    """A call whose answer is to be kept, and the answer so far."""

    call: Call
    policy: CachePolicy
    request: bytes  # its body as it came
    flight: Flight
    status: int | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def is_storable(self) -> bool:
        """Not what a fallback answered: when the target that was asked first is back, it is to be asked again."""
        return self.status == 200 and not self.call.response_truncated and not self.call.has_moved_on


class Keep:
    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self._fresh: dict[str, Fresh] = {}  # by flow id
        self._writes: set[asyncio.Task[None]] = set()

    def request(self, flow: http.HTTPFlow) -> None:
        call = self.proxy.calls.get(flow.id)
        if call is None or call.reference or flow.response:
            return
        policy = call.controls.cache
        if policy is None or not call.cache_keys or not policy.save or call.controls.omit_response:
            return
        if policy.read and follow(self.proxy, flow, call):
            return  # somebody began while the limits were asked
        key = flight_key(flow, call) if self.proxy.has_own_streams else None
        flight = Flight(flow, call, key)
        self._fresh[flow.id] = Fresh(call, policy, flow.request.raw_content or b"", flight)
        self.proxy.flights.start(flight)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        fresh, response = self._fresh.get(flow.id), flow.response
        if fresh is None or response is None:
            return
        fresh.status = response.status_code
        fresh.headers = storable_headers(response.headers.fields)
        flight, pass_on = fresh.flight, response.stream
        headers = http.Headers(fresh.headers)
        flight.begin(
            http.Response(b"HTTP/1.1", response.status_code, response.data.reason, headers, None, None, 0, None)
        )

        def keep(piece: bytes) -> object:
            if fresh.call.response_truncated:  # longer than anybody wants to keep
                self.proxy.flights.close(flight)
            if piece and (flight.followers or not fresh.call.response_truncated):
                flight.add(piece)
            return pass_on(piece)  # type: ignore[operator]  # Capture's copy into the journal

        response.stream = keep  # type: ignore[assignment]

    def response(self, flow: http.HTTPFlow) -> None:
        if fresh := self._fresh.pop(flow.id, None):
            fresh.flight.finish()
            self._land(fresh, fresh.is_storable)

    def error(self, flow: http.HTTPFlow) -> None:
        """A caller who leaves after the terminal event has had the whole answer."""
        fresh = self._fresh.pop(flow.id, None)
        if fresh is None:
            return
        call, pieces = fresh.call, fresh.flight.pieces
        whole = bool(call.finished_at and not call.content_encoding and pieces and pieces[-1].endswith(_EVENT_END))
        if whole:
            fresh.flight.finish()
        else:
            message = flow.error.msg if flow.error else "no reason given"
            fresh.flight.fail(flow.metadata.get(BROKEN_BY, CALLER), message)
        self._land(fresh, whole and fresh.is_storable)

    def _land(self, fresh: Fresh, is_storable: bool) -> None:
        """Stored first, closed then: whoever asks in between gets the answer from the flight."""
        self.proxy.flights.land(fresh.flight)
        if not is_storable:
            self.proxy.flights.close(fresh.flight)
            return
        write = asyncio.get_running_loop().create_task(self._store(fresh))
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)

    async def _store(self, fresh: Fresh) -> None:
        try:
            await asyncio.to_thread(self._put, fresh, time.time())
        finally:
            self.proxy.flights.close(fresh.flight)

    def _put(self, fresh: Fresh, now: float) -> None:
        """In a thread: reads the request for the model's name, and writes."""
        start, policy = fresh.call.start, fresh.policy
        stored = Stored(
            status=200,
            headers=fresh.headers,
            chunks=tuple(fresh.flight.pieces),
            latency_ms=max(0, round((now - fresh.call.began_at) * 1000)),
            request_id=start.request_id,
            started_at_us=start.started_at_us,
            model=request_facts(decode(fresh.request, start.content_encoding)[0]).model or start.path_model,
        )
        self.proxy.cache.put(fresh.call.cache_keys, stored, now=now, max_age_s=policy.max_age_s, seed=policy.seed)

    # A caller who leaves while others follow.

    async def caller_left(self, stream: Any) -> None:
        """The stream of `upstream.py` goes on without its caller."""
        if fresh := self._fresh.get(stream.flow.id):
            fresh.call.caller_left = fresh.call.finished_at is None
            fresh.flight.left_stream = stream
            if not fresh.flight.followers:
                await abandon(fresh.flight)

    async def client_disconnected(self, client: connection.Client) -> None:
        """mitmproxy closes what is open upstream for a caller who is gone, but not before this returns."""
        flights = self.proxy.flights.led_by(client.id)
        for flight in flights:
            if not flight.followers:
                self.proxy.flights.close(flight)
                continue
            try:
                await asyncio.wait_for(flight.over(), self.proxy.settings.timeouts.total_s)
            except TimeoutError:  # a stream of ours broke, or it would have ended by its own deadline
                flight.fail(TIMEOUT, "the shared call did not end in time")
        if flights:
            await _closing(client.id)


async def _closing(client_id: str) -> None:
    """Until the upstream connections that are being closed are closed: mitmproxy cancels their tasks now, and one that is
    cancelled a second time leaves its socket open for ever."""
    if (handler := client_handler(client_id)) is None:
        return
    tasks = [io.handler for known, io in handler.transports.items() if known.state is connection.ConnectionState.CLOSED]
    if tasks := [task for task in tasks if task]:
        await asyncio.wait(tasks, timeout=_CLOSING_S)
