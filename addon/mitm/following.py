"""The answer of an identical call, as events for the stream that follows it: as if a provider had sent them."""

from mitmproxy import http
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)


def fed_head(stream_id: int, head: http.Response, is_http2: bool, now: float) -> ResponseHeaders:
    """`now`: epoch seconds. Each follower gets a head of its own, since hooks change it."""
    head = head.copy()
    head.timestamp_start = now
    if "content-length" not in head.headers and not is_http2:
        head.headers["transfer-encoding"] = "chunked"
    return ResponseHeaders(stream_id, head, end_stream=False)


def fed_piece(stream_id: int, piece: bytes) -> ResponseData | ResponseEndOfMessage:
    """b"" is the end of the answer."""
    return ResponseData(stream_id, piece) if piece else ResponseEndOfMessage(stream_id)


def fed_failure(stream_id: int, message: str) -> ResponseProtocolError:
    return ResponseProtocolError(stream_id, message, ErrorCode.GENERIC_SERVER_ERROR)
