"""WebSocket frames as mitmproxy reads them, with what it lacks: a bound on a message, a bound on what a compressed piece may
become, and a cost that is linear in what came. mitmproxy joins a message anew with each piece of it, and keeps it without a bound.

Relies on its internals (read on 12.2.3): `WebsocketConnection` is looked up by name where it is made.
"""

from collections.abc import Iterator
from typing import Any, Final

from mitmproxy.proxy.layers import websocket as websocket_layers
from mitmproxy.proxy.layers.websocket import WebsocketConnection
from wsproto.events import CloseConnection, Event, Message
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import CloseReason

LONGEST_MESSAGE: Final = 64 * 2**20  # bytes; a request with images has some
MOST_FRAMES: Final = 20_000  # of a message; mitmproxy itself cuts one into frames of 4 kB
# Text shrinks to a tenth, silence to a thousandth. So much more than came is read at once.
MOST_RATIO, RATIO_SLACK = 100, 2**20


class BoundedDeflate(PerMessageDeflate):
    def frame_inbound_payload_data(self, proto: Any, data: bytes) -> bytes | CloseReason:
        if not self._inbound_compressed or not self._inbound_is_compressible or self._decompressor is None:
            return super().frame_inbound_payload_data(proto, data)
        try:
            plain = self._decompressor.decompress(bytes(data), MOST_RATIO * len(data) + RATIO_SLACK)
        except Exception:  # zlib.error
            return CloseReason.INVALID_FRAME_PAYLOAD_DATA
        return CloseReason.MESSAGE_TOO_BIG if self._decompressor.unconsumed_tail else plain


class BoundedConnection(WebsocketConnection):
    """One side of a WebSocket. Gives whole frames, and ends the connection at a message that is too long."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for extension in self._proto.extensions:
            if type(extension) is PerMessageDeflate:
                extension.__class__ = BoundedDeflate
        self._parts: list[Any] = []  # of a frame, str or bytes
        self._held = self._frames = 0  # bytes and frames of the message so far

    def events(self) -> Iterator[Event]:
        for event in super().events():
            if not isinstance(event, Message):
                yield event
                continue
            self._held += len(event.data)
            self._frames += event.frame_finished
            if self._held > LONGEST_MESSAGE or self._frames > MOST_FRAMES:
                self._parts.clear()
                reason = f"a message has more than {LONGEST_MESSAGE} bytes or {MOST_FRAMES} frames"
                yield CloseConnection(CloseReason.MESSAGE_TOO_BIG, reason)
                return
            self._parts.append(event.data)
            if event.frame_finished:
                data = self._parts[0][:0].join(self._parts) if len(self._parts) > 1 else event.data
                self._parts.clear()
                if event.message_finished:
                    self._held = self._frames = 0
                yield type(event)(data=data, frame_finished=True, message_finished=event.message_finished)


def mend() -> None:
    websocket_layers.WebsocketConnection = BoundedConnection  # type: ignore[misc]
