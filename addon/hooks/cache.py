"""Answers a repeated call: from the store, or from an identical call that is under way. Acts on what `caching/` decides.

A hit needs no provider and opens no connection. Whatever is wrong with the store is a miss, never an error.
"""

import asyncio
import random
import time
from collections.abc import Callable

from mitmproxy import http

from addon.caching.key import cache_keys, is_signed
from addon.caching.policy import CachePolicy
from addon.caching.store import Hit
from addon.config import controls
from addon.hooks.call import Call, Reference
from addon.hooks.coalesce import follow
from addon.hooks.proxy import Proxy
from addon.hooks.request_body import read_body
from addon.metering.reading import decode


class Cache:
    def __init__(self, proxy: Proxy, dice: Callable[[int], int] = random.randrange) -> None:
        self.proxy = proxy
        self._dice = dice

    async def request(self, flow: http.HTTPFlow) -> None:
        call = self.proxy.calls.get(flow.id)
        if call is None or call.controls.cache is None or flow.response:
            return
        request, upstream = flow.request, call.route.upstream
        url = f"{upstream.scheme}://{upstream.authority}{call.route.path}"
        if is_signed(url, request.headers.items(multi=True)):
            call.warnings.append("Helicone-Cache-Enabled: calls signed for AWS are not cached")
            return
        call.cache_keys = await self._keys(flow, call, call.controls.cache, url)
        if not call.controls.cache.read:
            return
        troubles = self.proxy.cache.troubles
        hit = self.proxy.cache.get(call.cache_keys, time.time(), self._dice)
        if hit and (answer := await _answer(hit, flow.request.headers.get("accept-encoding", ""))):
            call.cache_status, call.attempts = "hit", 0
            call.reference = Reference(hit.stored.request_id, hit.stored.started_at_us)
            flow.response = answer
        elif not follow(self.proxy, flow, call):
            call.cache_status = "miss"
            if self.proxy.cache.troubles != troubles:
                call.cache_status = "unavailable"
                call.warnings.append("the cache cannot be used; this answer is a fresh one")

    @staticmethod
    async def _keys(flow: http.HTTPFlow, call: Call, policy: CachePolicy, url: str) -> tuple[str, ...]:
        request = flow.request
        headers = request.headers.items(multi=True)

        def read(body: bytes) -> tuple[str, ...]:
            return cache_keys(
                method=request.method,
                url=url,
                body=body,
                content_encoding=call.start.content_encoding,
                headers=headers,
                key_holder=call.start.helicone_key_hash,
                policy=policy,
                fallbacks=call.fallbacks,
            )

        return await read_body(read, request.raw_content or b"", call.start.content_encoding)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        call = self.proxy.calls.get(flow.id)
        if call and call.cache_status not in (None, "unavailable") and flow.response:
            flow.response.headers[controls.CACHE] = str(call.cache_status).upper()


async def _answer(hit: Hit, accepted: str) -> http.Response | None:
    """The stored answer as this caller takes it, or None; in a thread where it must be decoded."""
    if _is_taken(hit, accepted):
        return answer_from(hit, accepted)
    return await asyncio.to_thread(answer_from, hit, accepted)


def _is_taken(hit: Hit, accepted: str) -> bool:
    """Whether the caller takes the answer in the encoding that it was stored in."""
    encoding = (hit.stored.content_encoding or "identity").lower()
    return encoding == "identity" or encoding in accepted.lower()


def answer_from(hit: Hit, accepted: str) -> http.Response | None:
    """The stored answer; decoded where the caller does not take the encoding that it was stored in. None where it cannot
    be decoded, or not in whole: it is then a miss."""
    stored = hit.stored
    body = b"".join(stored.chunks)
    headers = http.Headers(stored.headers)
    if not _is_taken(hit, accepted):
        body, complete = decode(body, stored.content_encoding)
        if not complete:
            return None
        del headers["content-encoding"]
    headers[controls.CACHE_BUCKET_IDX] = str(hit.bucket_idx)
    headers[controls.CACHE_LATENCY] = str(stored.latency_ms)
    return http.Response.make(stored.status, body, headers)
