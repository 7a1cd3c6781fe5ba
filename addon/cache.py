"""Answers a repeated call from the store, and stores each fresh success: acts on what `caching/` decides.

A hit needs no provider and opens no connection. Whatever is wrong with the store is a miss, never an error.
"""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from mitmproxy import http

from addon import controls
from addon.bodies import read_body
from addon.caching.key import cache_keys
from addon.caching.policy import CachePolicy
from addon.caching.store import Hit, Stored, storable_headers
from addon.call import Call
from addon.metering.reading import decode, request_facts
from addon.proxy import Proxy

_EVENT_END: Final = (b"\n\n", b"\r\n\r\n", b"\r\r")


@dataclass(slots=True)
class Fresh:
    """A call whose answer is to be stored, and the answer so far."""

    call: Call
    keys: tuple[str, ...]
    policy: CachePolicy
    request: bytes  # its body as it came
    headers: tuple[tuple[bytes, bytes], ...] = ()
    chunks: list[bytes] = field(default_factory=list)


class Cache:
    def __init__(self, proxy: Proxy, dice: Callable[[int], int] = random.randrange) -> None:
        self.proxy = proxy
        self._dice = dice
        self._fresh: dict[str, Fresh] = {}  # by flow id
        self._writes: set[asyncio.Task[bool]] = set()

    async def request(self, flow: http.HTTPFlow) -> None:
        call = self.proxy.calls.get(flow.id)
        if call is None or call.controls.cache is None or flow.response:
            return
        policy = call.controls.cache
        keys = await self._keys(flow, call, policy)
        if policy.read:
            if hit := self.proxy.cache.get(keys, time.time(), self._dice):
                call.cache_status, call.attempts = "hit", 0
                call.reference = hit.stored
                flow.response = answer_from(hit, flow.request.headers.get("accept-encoding", ""))
                return
            call.cache_status = "miss"
        if policy.save and not call.controls.omit_response:
            self._fresh[flow.id] = Fresh(call, keys, policy, flow.request.raw_content or b"")

    @staticmethod
    async def _keys(flow: http.HTTPFlow, call: Call, policy: CachePolicy) -> tuple[str, ...]:
        request, upstream = flow.request, call.route.upstream
        url = f"{upstream.scheme}://{upstream.authority}{call.route.path}"
        headers = request.headers.items(multi=True)

        def read(body: bytes) -> tuple[str, ...]:
            return cache_keys(
                method=request.method,
                url=url,
                body=body,
                content_encoding=call.start.content_encoding,
                headers=headers,
                helicone_auth=call.controls.helicone_auth,
                policy=policy,
            )

        return await read_body(read, request.raw_content or b"")

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        call, response = self.proxy.calls.get(flow.id), flow.response
        if call is None or response is None or (call.cache_status is None and flow.id not in self._fresh):
            return
        if call.cache_status:
            response.headers[controls.CACHE] = call.cache_status.upper()
        fresh = self._fresh.get(flow.id)
        if fresh is None:
            return
        if response.status_code != 200 or not callable(response.stream):
            del self._fresh[flow.id]
            return
        fresh.headers = storable_headers(response.headers.fields)
        pass_on = response.stream

        def keep(piece: bytes) -> object:
            if not fresh.call.response_truncated:  # longer than anybody wants to keep
                fresh.chunks.append(piece)
            return pass_on(piece)

        response.stream = keep  # type: ignore[assignment]

    def response(self, flow: http.HTTPFlow) -> None:
        if fresh := self._fresh.pop(flow.id, None):
            self._store(fresh)

    def error(self, flow: http.HTTPFlow) -> None:
        """A caller who leaves after the terminal event has had the whole answer."""
        fresh = self._fresh.pop(flow.id, None)
        if (
            fresh
            and fresh.call.finished_at
            and not fresh.call.content_encoding
            and fresh.chunks[-1].endswith(_EVENT_END)
        ):
            self._store(fresh)

    def _store(self, fresh: Fresh) -> None:
        if not fresh.call.response_truncated:
            write = asyncio.get_running_loop().create_task(asyncio.to_thread(self._put, fresh, time.time()))
            self._writes.add(write)
            write.add_done_callback(self._writes.discard)

    def _put(self, fresh: Fresh, now: float) -> bool:
        """In a thread: reads the request for the model's name, and writes."""
        start = fresh.call.start
        stored = Stored(
            status=200,
            headers=fresh.headers,
            chunks=tuple(chunk for chunk in fresh.chunks if chunk),
            latency_ms=max(0, round((now - fresh.call.began_at) * 1000)),
            request_id=start.request_id,
            started_at_us=start.started_at_us,
            model=request_facts(decode(fresh.request, start.content_encoding)[0]).model or start.path_model,
        )
        policy = fresh.policy
        return self.proxy.cache.put(fresh.keys, stored, now=now, max_age_s=policy.max_age_s, seed=policy.seed)


def answer_from(hit: Hit, accepted: str) -> http.Response:
    """The stored answer; decoded where the caller does not take the encoding that it was stored in."""
    stored = hit.stored
    body = b"".join(stored.chunks)
    headers = http.Headers(stored.headers)
    encoding = (stored.content_encoding or "identity").lower()
    if encoding != "identity" and encoding not in accepted.lower():
        body, _ = decode(body, encoding)
        del headers["content-encoding"]
    headers[controls.CACHE_BUCKET_IDX] = str(hit.bucket_idx)
    headers[controls.CACHE_LATENCY] = str(stored.latency_ms)
    return http.Response.make(stored.status, body, headers)
