"""WebSocket messages that are too long, in too many pieces or compressed too well end their connection, and nothing else."""

import time
import zlib
from collections.abc import Iterator

from mitmproxy.connection import Client
from wsproto import ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import CloseReason

from addon.mitm.websocket_frames import LONGEST_MESSAGE, BoundedConnection

MIB = 2**20


def side(*extensions: PerMessageDeflate) -> BoundedConnection:
    """The side of the proxy that a caller talks to."""
    caller = Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2), timestamp_start=0.0)
    return BoundedConnection(ConnectionType.SERVER, list(extensions), conn=caller)


def frame(payload: bytes, opcode: int = 2, fin: bool = True, compressed: bool = False) -> bytes:
    """As a caller sends it: masked, with a mask of zeros."""
    first = (0x80 if fin else 0) | (0x40 if compressed else 0) | opcode
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    else:
        length = b"\xfe" + size.to_bytes(2) if size < 2**16 else b"\xff" + size.to_bytes(8)
    return bytes([first]) + length + b"\0\0\0\0" + payload


def pieces(data: bytes, size: int = 65_535) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def heard(connection: BoundedConnection, *sent: bytes) -> list[Event]:
    events: list[Event] = []
    for piece in sent:
        connection.receive_data(piece)
        events += connection.events()
        if events and isinstance(events[-1], CloseConnection):
            break
    return events


def test_a_frame_comes_whole_however_it_was_cut() -> None:
    text = "ä" * 100_000
    events = heard(side(), *pieces(frame(text.encode(), opcode=1), 999), frame(b"p", opcode=9))
    assert events == [TextMessage(text, True, True), Ping(b"p")]
    assert heard(side(), frame(b"a", fin=False), frame(b"b", opcode=0)) == [
        BytesMessage(bytearray(b"a"), True, False),
        BytesMessage(bytearray(b"b"), True, True),
    ]


def test_a_long_message_is_read_in_linear_time_and_one_that_is_too_long_ends_the_connection() -> None:
    def seconds(size: int) -> float:
        began = time.process_time()
        (event,) = heard(side(), *pieces(frame(b"x" * size)))
        assert isinstance(event, BytesMessage) and len(event.data) == size
        return time.process_time() - began

    seconds(MIB)
    assert seconds(32 * MIB) < 4 * 8 * max(
        seconds(4 * MIB), 0.01
    )  # generous; joined anew with each piece it is 64 times
    (closed,) = heard(side(), *pieces(frame(b"x" * (LONGEST_MESSAGE + MIB))))
    assert isinstance(closed, CloseConnection) and closed.code == CloseReason.MESSAGE_TOO_BIG


def test_fragments_without_end_end_the_connection() -> None:
    empty = frame(b"", fin=False, opcode=0) * 10_000
    events = heard(side(), frame(b"", fin=False), *([empty] * 5))
    assert isinstance(events[-1], CloseConnection)
    assert events[-1].code == CloseReason.MESSAGE_TOO_BIG


def test_a_compressed_piece_may_not_become_a_thousand_times_its_size() -> None:
    def deflated(plain: bytes) -> bytes:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        return (packer.compress(plain) + packer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")

    def told() -> PerMessageDeflate:
        extension = PerMessageDeflate()
        extension.finalize("permessage-deflate")
        return extension

    (event,) = heard(side(told()), frame(deflated(b"hello " * 100_000), compressed=True))
    assert isinstance(event, BytesMessage) and len(event.data) == 600_000
    (closed,) = heard(side(told()), *pieces(frame(deflated(b"\0" * 60 * MIB), compressed=True)))
    assert isinstance(closed, CloseConnection) and closed.code == CloseReason.MESSAGE_TOO_BIG
