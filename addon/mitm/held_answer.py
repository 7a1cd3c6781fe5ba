"""An answer that may be tried again is held until it is whole: its connection can then be used again, and the last one can
still go to the caller as it came."""

from collections.abc import Iterator
from typing import Final

from mitmproxy import http
from mitmproxy.proxy.layers.http._events import ResponseData, ResponseHeaders

from addon.sending.fallbacks import Codes

# A longer body is passed on rather than tried again.
_MOST_HELD_BYTES: Final = 2**20


class HeldAnswer:
    def __init__(self, head: ResponseHeaders) -> None:
        self._head = head
        self._pieces: list[ResponseData] = []
        self._bytes = 0

    @property
    def response(self) -> http.Response:
        return self._head.response

    def add(self, piece: ResponseData) -> None:
        self._pieces.append(piece)
        self._bytes += len(piece.data)

    @property
    def is_too_long(self) -> bool:
        return self._bytes > _MOST_HELD_BYTES

    def events(self) -> Iterator[ResponseHeaders | ResponseData]:
        yield self._head
        yield from self._pieces


def is_held(status: int, hold: Codes | None) -> bool:
    """`hold`: the statuses after which another attempt may follow."""
    return any(low <= status <= high for low, high in hold or ())
