"""Cache: answers a repeated call from the store, or from an identical call that is under way. Acts on what `caching/`
decides.

A hit needs no provider and opens no connection. Whatever is wrong with the store is a miss, never an error.
"""

import random
import time
from collections.abc import Awaitable, Callable
from typing import Literal

from mitmproxy import http

from addon.caching.claims import Claim
from addon.caching.key import cache_keys, is_signed
from addon.caching.policy import CachePolicy
from addon.caching.store import Claimed, Hit
from addon.calls.call import Call
from addon.config import controls
from addon.hooks.cached_answer import give
from addon.hooks.coalesce import answer_from_flight, may_share
from addon.hooks.proxy import Proxy
from addon.hooks.request_body import read_body
from addon.hooks.services import Services


class Cache:
    def __init__(self, proxy: Proxy, services: Services, dice: Callable[[int], int] = random.randrange) -> None:
        self.proxy, self.services = proxy, services
        self._dice = dice

    def request(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        call = self.proxy.calls.of(flow.id)
        if call is None or call.asked.controls.cache is None or flow.response or call.sharing.reference:
            return None
        return self._look_up(flow, call, call.asked.controls.cache)

    async def _look_up(self, flow: http.HTTPFlow, call: Call, policy: CachePolicy) -> None:
        url, headers = _url(call), flow.request.headers.items(multi=True)
        if is_signed(url, headers):
            call.warnings.append("Helicone-Cache-Enabled: calls signed for AWS are not cached")
            return
        if call.attempts.operation.read_request:  # its status comes after the answer, and is not stored with it
            call.warnings.append("Helicone-Cache-Enabled: calls over gRPC are not cached")
            return
        call.sharing.cache_keys = await self._keys(flow, call, policy, url)
        if not policy.read:
            return
        troubles = self.services.cache.troubles
        found = await self._find(call, policy)
        if isinstance(found, Hit) and await give(flow, call, found):
            return
        if isinstance(found, Claim):
            call.sharing.claim = found
        if await answer_from_flight(self.proxy.flights, flow, call):
            _release(call)
            return
        if found is Claimed.THEIRS and (
            await self._wait_for_others(flow, call) or await answer_from_flight(self.proxy.flights, flow, call)
        ):  # the second is one that began meanwhile
            return
        call.sharing.status = "miss"
        if self.services.cache.troubles != troubles:
            call.sharing.status = "unavailable"
            call.warnings.append("the cache cannot be used; this answer is a fresh one")

    async def _find(self, call: Call, policy: CachePolicy) -> Hit | Claim | Literal[Claimed.THEIRS] | None:
        """The stored answer, or whether this call makes it. Like a flight, a claim is for calls that fill no bucket of several answers."""
        keys = call.sharing.cache_keys
        if len(keys) == 1 and may_share(call, policy) and self.proxy.has_own_streams:
            return await self.services.claims.look_up(keys[0])
        return await self.services.cache.get(keys, time.time(), self._dice)

    async def _wait_for_others(self, flow: http.HTTPFlow, call: Call) -> bool:
        """Use the answer to an identical call of another process."""
        hit = await self.services.claims.wait(call.sharing.cache_keys[0])
        return hit is not None and await give(flow, call, hit, "coalesced")

    @staticmethod
    async def _keys(flow: http.HTTPFlow, call: Call, policy: CachePolicy, url: str) -> tuple[str, ...]:
        request = flow.request
        headers = request.headers.items(multi=True)

        def read(body: bytes) -> tuple[str, ...]:
            return cache_keys(
                method=request.method,
                url=url,
                body=body,
                content_encoding=call.asked.start.content_encoding,
                headers=headers,
                key_holder=call.asked.start.helicone_key_hash,
                policy=policy,
                fallbacks=call.attempts.fallbacks,
            )

        return await read_body(read, request.raw_content or b"", call.asked.start.content_encoding)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        call = self.proxy.calls.of(flow.id)
        if call and call.sharing.status not in (None, "unavailable") and flow.response:
            flow.response.headers[controls.CACHE] = str(call.sharing.status).upper()


def _release(call: Call) -> None:
    """The call follows another one of this process, which makes the answer."""
    if call.sharing.claim:
        call.sharing.claim.release()
        call.sharing.claim = None


def _url(call: Call) -> str:
    upstream = call.attempts.route.upstream
    return f"{upstream.scheme}://{upstream.authority}{call.attempts.route.path}"
