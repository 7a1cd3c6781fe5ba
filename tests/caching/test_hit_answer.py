"""A stored answer for a caller who does not take the coding that it was stored in."""

import gzip

from addon.caching.store import Hit, Stored
from addon.hooks.cached_answer import answer_from


def hit(body: bytes, coding: bytes) -> Hit:
    stored = Stored(
        status=200,
        headers=((b"content-type", b"application/json"), (b"content-encoding", coding)),
        chunks=(body,),
        latency_ms=1,
        request_id="a",
        started_at_us=0,
        model=None,
    )
    return Hit(stored, 0)


def test_it_is_decoded() -> None:
    answer = answer_from(hit(gzip.compress(b"{}"), b"gzip"), "br")
    assert answer and answer.raw_content == b"{}" and "content-encoding" not in answer.headers


def test_one_that_cannot_be_decoded_in_whole_is_a_miss() -> None:
    assert answer_from(hit(gzip.compress(bytes(100 * 2**20)), b"gzip"), "") is None
    assert answer_from(hit(gzip.compress(b"cut short")[:-9], b"gzip"), "") is None
    assert answer_from(hit(b"not gzip", b"gzip"), "") is None
