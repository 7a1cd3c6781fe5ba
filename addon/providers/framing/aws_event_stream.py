"""AWS event stream, the binary framing of Bedrock's streams.

A frame: total length (4 bytes), length of the headers (4), CRC-32 of these eight bytes (4), headers, payload, CRC-32 of
all before it (4); numbers are big-endian. A header: length of its name (1), name, type (1), value.
https://smithy.io/2.0/aws/amazon-eventstream.html; sizes as in botocore/eventstream.py.
"""

import base64
import binascii
import re
import struct
from functools import cache, lru_cache
from typing import Final
from zlib import crc32

from addon.providers.framing.model import BodyEvents, Event, Terminal

# Lengths of frame and headers, checksum; or a checksum, and the next two lengths.
PRELUDE: Final = struct.Struct("!III")
SIZES: Final = struct.Struct("!II")  # the two lengths alone
CHECKSUM: Final = struct.Struct("!I")
PRELUDE_BYTES: Final = 12
SMALLEST_FRAME: Final = PRELUDE_BYTES + 4
LARGEST_FRAME: Final = 24 * 2**20  # botocore: 24 MiB of payload, 128 KiB of headers
LARGEST_HEADERS: Final = 128 * 2**10
CACHED_HEADERS_BYTES: Final = 512
MOST_BLOCKS: Final = 64
# Of what ends a stream so many letters are searched for first: `bytes.find` is fastest with 12 to 16.
SEARCHED_LETTERS: Final = 16
# Sizes of the header values of fixed size, by type: true, false, byte, short, int, long, (bytes, text), time, uuid.
FIXED_BYTES: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
TEXT_TYPE: Final = 7
FAILURES: Final = frozenset({":exception-type", ":error-code"})  # one of these headers is in each frame of a failure
# The scanner looks into the payload of a frame up to this size: an event that ends a stream is far smaller.
SCANNED_FRAME_BYTES: Final = 8 * 2**10
# InvokeModelWithResponseStream: the model's own event in base64. A padding "p" beside it is ignored.
INNER: Final = re.compile(rb'"bytes"\s*:\s*"([A-Za-z0-9+/=]*)"')


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
        buffer = b"".join(self._pieces)
        frames, position, self._broken = _frames(buffer)
        left = len(buffer) - position
        if not self._broken and left >= PRELUDE_BYTES:
            self._broken = not _size(buffer[position : position + PRELUDE_BYTES])
        self._pieces, self._size = [buffer[position:]], left
        return [_event(block, headers) for block, headers in frames]

    def end(self) -> list[Event]:
        return []

    def _is_due(self) -> bool:
        """Whether the unfinished frame may be whole by now; joining earlier would copy it for every piece."""
        if len(self._pieces[0]) < PRELUDE_BYTES:
            self._pieces = [b"".join(self._pieces)]
        return len(self._pieces[0]) < PRELUDE_BYTES or self._size >= _size(self._pieces[0])


def body_events(body: bytes) -> BodyEvents:
    """The events of a whole body, each made when it is asked for."""
    frames, _, _ = _frames(body)
    return BodyEvents([block for block, _ in frames], lambda place: _event(*frames[place]))


def _frames(buffer: bytes) -> tuple[list[tuple[bytes, int]], int, bool]:
    """Headers and payload of each whole frame, and how many bytes are headers; where the unfinished frame begins; whether a
    checksum is wrong there."""
    found: list[tuple[bytes, int]] = []
    padded = buffer + bytes(PRELUDE_BYTES)  # a checksum and the lengths of the next frame are read at once
    position, left = 0, len(buffer)
    size, headers = SIZES.unpack_from(padded)
    while left >= PRELUDE_BYTES and size <= left:
        end = position + size - 4
        # The checksum of the frame is that of its prelude, too.
        if not _is_possible(size, headers):
            return found, position, True
        checksum, next_size, next_headers = PRELUDE.unpack_from(padded, end)
        if crc32(buffer[position:end]) != checksum:
            return found, position, True
        found.append((buffer[position + PRELUDE_BYTES : end], headers))
        position += size
        left -= size
        size, headers = next_size, next_headers
    return found, position, False


def _event(block: bytes, headers: int) -> Event:
    kind = _kind_seen if headers <= CACHED_HEADERS_BYTES else _kind_of
    return Event(kind(block[:headers])[0], block[headers:].decode("utf-8", "replace"))


class AwsEventStreamScanner:
    """Walks from frame to frame by their lengths and looks at names, and into the payloads of small frames. Checksums are
    the decoder's work."""

    def __init__(self, terminal: Terminal) -> None:
        self.seen = False
        self._events, self._pattern = terminal.events, _pattern(terminal.anywhere)
        self._letters = _letters(terminal.anywhere)
        self._blocks: dict[bytes, bool] = {}  # headers that came before: whether such a frame ends the stream
        self._harmless = b""  # headers of the last frame, which did not end the stream
        self._buffer = b""  # of the present frame, at most SCANNED_FRAME_BYTES
        self._to_skip = 0  # bytes of a large frame that are still to come
        self._broken = False

    def feed(self, data: bytes) -> bool:
        if self.seen or self._broken:
            return self.seen
        # Nearly every piece is one whole frame of the kind of the one before it.
        if (
            data.startswith(self._harmless, PRELUDE_BYTES)
            and SIZES.unpack_from(data) == (len(data), len(self._harmless))
            and len(self._harmless) + SMALLEST_FRAME <= len(data) <= SCANNED_FRAME_BYTES
            and not self._buffer
            and not self._to_skip
            and (self._pattern is None or not self._may_hold(data))
        ):
            return False
        if self._to_skip:
            skipped = min(self._to_skip, len(data))
            self._to_skip -= skipped
            data = data[skipped:]
        buffer = self._buffer + data if self._buffer else data
        position, left = 0, len(buffer)
        while left >= PRELUDE_BYTES:
            size, headers = SIZES.unpack_from(buffer, position)
            if not SMALLEST_FRAME <= size <= LARGEST_FRAME or headers > size - SMALLEST_FRAME:
                self._broken, left = True, 0
                break
            if left < size:
                if size > SCANNED_FRAME_BYTES:
                    self._to_skip, left = size - left, 0
                break
            if size <= SCANNED_FRAME_BYTES:
                payload = position + PRELUDE_BYTES + headers
                block = buffer[position + PRELUDE_BYTES : payload]
                ends = self._blocks.get(block)
                if ends is None:
                    ends = self._ends(block)
                if ends or (self._pattern is not None and self._holds(buffer, payload, position + size - 4)):
                    self.seen, left = True, 0
                    break
                self._harmless = block
            position += size
            left -= size
        self._buffer = buffer[len(buffer) - left :] if left else b""
        return self.seen

    def _ends(self, block: bytes) -> bool:
        """Whether a frame with these headers ends the stream: an exception or an error always does."""
        name, fails = _kind_seen(block) if len(block) <= CACHED_HEADERS_BYTES else _kind_of(block)
        ends = fails or name in self._events
        if len(self._blocks) < MOST_BLOCKS and len(block) <= CACHED_HEADERS_BYTES:
            self._blocks[block] = ends
        return ends

    def _may_hold(self, frame: bytes) -> bool:
        """Whether what ends the stream is to be looked for in this frame, or in a part of one."""
        if not self._letters:
            return self._pattern is not None
        plain, first, second, third = self._letters
        return not (
            frame.find(first) < 0 and frame.find(second) < 0 and frame.find(third) < 0 and frame.find(plain) < 0
        )

    def _holds(self, buffer: bytes, start: int, end: int) -> bool:
        """Whether the payload between these places holds what ends the stream."""
        payload = buffer[start:end]
        if not self._may_hold(payload):
            return False
        assert self._pattern
        return self._pattern.search(inner_payload(payload) or payload) is not None


@cache
def _pattern(marker: bytes | None) -> re.Pattern[bytes] | None:
    """What ends a stream, in the payload of a frame or wrapped in base64."""
    return None if marker is None else re.compile(marker)


@cache
def _letters(marker: bytes | None) -> tuple[bytes, ...]:
    """A payload without any of these cannot hold the marker; none where it is not plain text.

    In base64 it looks differently for each place that it may begin at; its first and last letters depend on what is around
    it."""
    if marker is None or re.escape(marker).replace(rb"\-", b"-") != marker:
        return ()
    letters = marker, *(base64.b64encode(bytes(before) + marker)[before + 1 : -4] for before in range(3))
    return tuple(one[:SEARCHED_LETTERS] for one in letters)


def inner_payload(payload: bytes) -> bytes | None:
    """The model's own event inside a `chunk` of InvokeModelWithResponseStream; None where there is none."""
    match = INNER.search(payload)
    if match is None:
        return None
    try:
        return binascii.a2b_base64(match[1])
    except binascii.Error:
        return None


def _size(prelude: bytes) -> int:
    """The size of the frame that begins so; 0 where this cannot be a frame."""
    size, headers, checksum = PRELUDE.unpack_from(prelude)
    return size if _is_possible(size, headers) and crc32(prelude[:8]) == checksum else 0


def _is_possible(size: int, headers: int) -> bool:
    return SMALLEST_FRAME <= size <= LARGEST_FRAME and headers <= size - SMALLEST_FRAME and headers <= LARGEST_HEADERS


@lru_cache(maxsize=MOST_BLOCKS)
def _kind_seen(block: bytes) -> tuple[str | None, bool]:
    """The same of headers that have likely come before: streams have a few kinds of events."""
    return _kind_of(block)


def _kind_of(block: bytes) -> tuple[str | None, bool]:
    """The name of an event with these headers, and whether it tells of a failure."""
    headers = _headers(block)
    named = (headers.get(key) for key in (":event-type", ":exception-type", ":error-code"))
    return next((name for name in named if name), None), not FAILURES.isdisjoint(headers)


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


def encode(headers: dict[str, str], payload: bytes) -> bytes:
    """A frame, as AWS sends it: for fake providers and fixtures."""
    block = b"".join(
        bytes([len(name)]) + name.encode() + bytes([TEXT_TYPE]) + len(value.encode()).to_bytes(2) + value.encode()
        for name, value in headers.items()
    )
    prelude = (SMALLEST_FRAME + len(block) + len(payload)).to_bytes(4) + len(block).to_bytes(4)
    message = prelude + crc32(prelude).to_bytes(4) + block + payload
    return message + crc32(message).to_bytes(4)
