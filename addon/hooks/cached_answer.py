"""A stored answer, given again."""

import asyncio
from typing import Literal

from mitmproxy import http

from addon.caching.store import Hit
from addon.calls.call import Call
from addon.calls.parts import Reference
from addon.config import controls
from addon.metering.content_coding import decode


async def give(flow: http.HTTPFlow, call: Call, hit: Hit, status: Literal["hit", "coalesced"] = "hit") -> bool:
    """Answer the call with it; `coalesced`: it was made while the call waited. False where the caller does not accept its encoding and it cannot be decoded: a miss."""
    answer = await _answer(hit, flow.request.headers.get("accept-encoding", ""))
    if answer is None:
        return False
    call.sharing.status, call.attempts.made = status, 0
    call.sharing.reference = Reference(hit.stored.request_id, hit.stored.started_at_us)
    flow.response = answer
    return True


async def _answer(hit: Hit, accepted: str) -> http.Response | None:
    """In a thread where it must be decoded."""
    if _is_accepted(hit, accepted):
        return answer_from(hit, accepted)
    return await asyncio.to_thread(answer_from, hit, accepted)


def _is_accepted(hit: Hit, accepted: str) -> bool:
    """Whether the caller accepts the encoding that the answer was stored in."""
    encoding = (hit.stored.content_encoding or "identity").lower()
    return encoding == "identity" or encoding in accepted.lower()


def answer_from(hit: Hit, accepted: str) -> http.Response | None:
    """The stored answer; decoded where the caller does not accept the encoding that it was stored in. None where it cannot
    be decoded, or not in whole."""
    stored = hit.stored
    body = b"".join(stored.chunks)
    headers = http.Headers(stored.headers)
    if not _is_accepted(hit, accepted):
        body, complete = decode(body, stored.content_encoding)
        if not complete:
            return None
        del headers["content-encoding"]
    headers[controls.CACHE_BUCKET_IDX] = str(hit.bucket_idx)
    headers[controls.CACHE_LATENCY] = str(stored.latency_ms)
    return http.Response.make(stored.status, body, headers)
