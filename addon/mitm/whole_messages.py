"""A message that has come whole goes through the layers as one event, in place of three: its head, its body, its end.

Each event crosses a dozen generators, so a call whose request and answer come in one read each takes a quarter of the steps.
What happens to a message is the same either way: `parts` gives the three events to code that treats them apart.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from h11._receivebuffer import ReceiveBuffer
from mitmproxy import http
from mitmproxy.proxy.layers.http._base import HttpEvent
from mitmproxy.proxy.layers.http._events import (
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestTrailers,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
)


@dataclass(slots=True)
class WholeRequest(HttpEvent):
    request: http.Request  # its content need not be set
    body: bytes

    def parts(self) -> Iterator[HttpEvent]:
        trailers = self.request.trailers
        yield RequestHeaders(self.stream_id, self.request, not (self.body or trailers))
        if self.body:
            yield RequestData(self.stream_id, self.body)
        if trailers:
            yield RequestTrailers(self.stream_id, trailers)
        yield RequestEndOfMessage(self.stream_id)


@dataclass(slots=True)
class WholeResponse(HttpEvent):
    response: http.Response
    body: bytes

    def parts(self) -> Iterator[HttpEvent]:
        yield ResponseHeaders(self.stream_id, self.response, not self.body)
        if self.body:
            yield ResponseData(self.stream_id, self.body)
        yield ResponseEndOfMessage(self.stream_id)


def take_body(received: ReceiveBuffer, expected: int | None) -> bytes | None:
    """Takes a body off what was received after its head; None, and nothing is taken: it is not all there, or its end is not
    told by its length. `expected`: as mitmproxy's `expected_http_body_size` tells it."""
    if expected is None or not 0 <= expected <= len(received):
        return None
    return bytes(received.maybe_extract_at_most(expected) or b"")
