"""AWS event stream, the binary framing of Bedrock's streams.

A frame: total length (4 bytes), length of the headers (4), CRC-32 of these eight bytes (4), headers, payload, CRC-32 of
all before it (4); numbers are big-endian. A header: length of its name (1), name, type (1), value.
https://smithy.io/2.0/aws/amazon-eventstream.html; sizes as in botocore/eventstream.py.
"""

import base64
import binascii
import re
import zlib
from functools import lru_cache
from typing import Final, NamedTuple

from addon.providers.framing.model import Event, Terminal

PRELUDE_BYTES: Final = 12
SMALLEST_FRAME: Final = PRELUDE_BYTES + 4
LARGEST_FRAME: Final = 24 * 2**20  # botocore: 24 MiB of payload, 128 KiB of headers
LARGEST_HEADERS: Final = 128 * 2**10
CACHED_HEADERS_BYTES: Final = 512
# Sizes of the header values of fixed size, by type: true, false, byte, short, int, long, (bytes, text), time, uuid.
FIXED_BYTES: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
TEXT_TYPE: Final = 7
# The scanner looks into the payload of a frame up to this size: an event that ends a stream is far smaller.
SCANNED_FRAME_BYTES: Final = 8 * 2**10
# InvokeModelWithResponseStream: the model's own event in base64. A padding "p" beside it is ignored.
INNER: Final = re.compile(rb'"bytes"\s*:\s*"([A-Za-z0-9+/=]*)"')


class Frame(NamedTuple):
    headers: dict[str, str]  # those with a text value
    payload: bytes


class AwsEventStreamDecoder:
    """One event a frame: named by its `:event-type`, `:exception-type` or `:error-code`, data the payload.

    A frame whose checksum is wrong ends the reading: nothing after it can be trusted.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._broken = False

    def feed(self, data: bytes) -> list[Event]:
        if self._broken or not data:
            return []
        self._pieces.append(data)
        self._size += len(data)
        if len(self._pieces) > 1 and not self._is_due():
            return []
        buffer, found, position = b"".join(self._pieces), [], 0
        while not self._broken and len(buffer) - position >= PRELUDE_BYTES:
            size = _frame_bytes(buffer, position)
            if size is None:
                self._broken = True
            elif len(buffer) - position < size:
                break
            elif (frame := _parse(buffer[position : position + size])) is None:
                self._broken = True
            else:
                found.append(_event(frame))
                position += size
        self._pieces, self._size = [buffer[position:]], len(buffer) - position
        return found

    def end(self) -> list[Event]:
        return []

    def _is_due(self) -> bool:
        """Whether the unfinished frame may be whole by now; joining earlier would copy it for every piece."""
        if len(self._pieces[0]) < PRELUDE_BYTES:
            self._pieces = [b"".join(self._pieces)]
        size = _frame_bytes(self._pieces[0], 0) if len(self._pieces[0]) >= PRELUDE_BYTES else None
        return size is None or self._size >= size


class AwsEventStreamScanner:
    """Walks from frame to frame by their lengths and looks at names, and into the payloads of small frames."""

    def __init__(self, terminal: Terminal) -> None:
        self.seen = False
        names = [re.escape(name.encode()) for name in sorted(terminal.events)]
        # A header's value: its type (7), the length in two bytes, the text.
        self._name = re.compile(rb"\x07\x00.(?:" + rb"|".join(names) + rb")", re.DOTALL) if names else None
        self._payload = re.compile(terminal.anywhere) if terminal.anywhere is not None else None
        self._buffer = bytearray()  # of the present frame, at most SCANNED_FRAME_BYTES
        self._to_skip = 0  # bytes of a large frame that are still to come
        self._broken = False

    def feed(self, data: bytes) -> bool:
        if self.seen or self._broken:
            return self.seen
        skipped = min(self._to_skip, len(data))
        self._to_skip -= skipped
        self._buffer += data[skipped:] if skipped else data
        position = 0
        while not self.seen and len(self._buffer) - position >= PRELUDE_BYTES:
            size = _frame_bytes(self._buffer, position)
            if size is None:
                self._broken, position = True, len(self._buffer)
            elif len(self._buffer) - position >= size:
                self.seen = size <= SCANNED_FRAME_BYTES and self._ends(self._buffer[position : position + size])
                position += size
            elif size > SCANNED_FRAME_BYTES:
                self._to_skip = size - (len(self._buffer) - position)
                position = len(self._buffer)
            else:
                break
        del self._buffer[:position]
        return self.seen

    def _ends(self, frame: bytearray) -> bool:
        headers_end = PRELUDE_BYTES + int.from_bytes(frame[4:8])
        if self._name is not None and self._name.search(frame, PRELUDE_BYTES, headers_end):
            return True
        if self._payload is None:
            return False
        payload = bytes(frame[headers_end:-4])
        return self._payload.search(inner_payload(payload) or payload) is not None


def inner_payload(payload: bytes) -> bytes | None:
    """The model's own event inside a `chunk` of InvokeModelWithResponseStream; None where there is none."""
    match = INNER.search(payload)
    if match is None:
        return None
    try:
        return base64.b64decode(match[1])
    except binascii.Error:
        return None


def _frame_bytes(data: bytes | bytearray, position: int) -> int | None:
    """The size of the frame that begins here; None where this cannot be a frame."""
    prelude = data[position : position + PRELUDE_BYTES]
    size, headers = int.from_bytes(prelude[:4]), int.from_bytes(prelude[4:8])
    if not SMALLEST_FRAME <= size <= LARGEST_FRAME or headers > min(LARGEST_HEADERS, size - SMALLEST_FRAME):
        return None
    return size if zlib.crc32(prelude[:8]) == int.from_bytes(prelude[8:12]) else None


def _parse(frame: bytes) -> Frame | None:
    if zlib.crc32(frame[:-4]) != int.from_bytes(frame[-4:]):
        return None
    headers_end = PRELUDE_BYTES + int.from_bytes(frame[4:8])
    block = frame[PRELUDE_BYTES:headers_end]
    headers = _headers_seen(block) if len(block) <= CACHED_HEADERS_BYTES else _headers(block)
    return Frame(headers, frame[headers_end:-4])


@lru_cache(maxsize=64)
def _headers_seen(block: bytes) -> dict[str, str]:
    """The headers of a block that has likely come before: a stream has a few kinds of events, each with its own block."""
    return _headers(block)


def _headers(data: bytes) -> dict[str, str]:
    """The headers with a text value. Those after one that we cannot read are left out."""
    headers: dict[str, str] = {}
    position = 0
    while position < len(data):
        name_end = position + 1 + data[position]
        if name_end >= len(data):
            break
        kind, start = data[name_end], name_end + 1
        if kind in FIXED_BYTES:
            position = start + FIXED_BYTES[kind]
            continue
        if kind not in (6, TEXT_TYPE):
            break
        end = start + 2 + int.from_bytes(data[start : start + 2])
        if kind == TEXT_TYPE and end <= len(data):
            name = data[position + 1 : name_end].decode("utf-8", errors="replace")
            headers[name] = data[start + 2 : end].decode("utf-8", errors="replace")
        position = end
    return headers


def _event(frame: Frame) -> Event:
    named = (frame.headers.get(key) for key in (":event-type", ":exception-type", ":error-code"))
    return Event(event=next((name for name in named if name), None), data=frame.payload.decode("utf-8", "replace"))


def encode(headers: dict[str, str], payload: bytes) -> bytes:
    """A frame, as AWS sends it: for fake providers and fixtures."""
    block = b"".join(
        bytes([len(name)]) + name.encode() + bytes([TEXT_TYPE]) + len(value.encode()).to_bytes(2) + value.encode()
        for name, value in headers.items()
    )
    prelude = (SMALLEST_FRAME + len(block) + len(payload)).to_bytes(4) + len(block).to_bytes(4)
    message = prelude + zlib.crc32(prelude).to_bytes(4) + block + payload
    return message + zlib.crc32(message).to_bytes(4)
