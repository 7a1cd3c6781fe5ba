"""A stream as it came: its pieces on a line of time. Pure."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any, Final

import orjson

from addon.metering.piece_times import read_piece_times

LONGEST_TEXT: Final = 2000  # of one piece
_WORDS: Final = frozenset(
    {"content", "text", "delta", "partial_json", "arguments", "thinking", "reasoning", "reasoning_content", "refusal"}
)
_REPEATS: Final = (".done", ".completed")  # types of events that tell again what others brought
_DEEPEST: Final = 8
WIDTH, HEIGHT = 1000.0, 60.0  # of the picture


@dataclass(frozen=True, slots=True)
class Piece:
    """`x`, `width`, `y`, `height`: in the picture; `text`: None where the pieces of the kept body are not known."""

    at_ms: int
    gap_ms: int
    size: int
    text: str | None
    said: str  # what of the answer it brought: words, arguments of a tool call
    left_out: int
    x: float
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Pieces:
    pieces: tuple[Piece, ...]
    total_ms: int
    longest_gap_ms: int
    width: float  # of one bar


def pieces_of(times: str | None, body: str | None, coding: str | None) -> Pieces | None:
    """`coding`: the answer's Content-Encoding: the times are those of the bytes as they came, the body is decoded. None:
    no times were kept."""
    found = read_piece_times(times)
    if not found:
        return None
    raw = None if coding and coding.lower() != "identity" else _bytes(body)
    total, largest = max(found[-1][0], 1), max(length for _, _, length in found) or 1
    width = max(1.5, min(8.0, WIDTH / len(found) * 0.6))
    pieces: list[Piece] = []
    before = 0
    for at_ms, offset, length in found:
        said = None if raw is None else raw[offset : offset + min(length, LONGEST_TEXT)].decode("utf-8", "replace")
        height = max(2.0, HEIGHT * length / largest)
        x = (WIDTH - width) * at_ms / total
        left_out = max(0, length - LONGEST_TEXT)
        pieces.append(
            Piece(
                at_ms,
                at_ms - before,
                length,
                said,
                brought(said or ""),
                left_out,
                round(x, 2),
                HEIGHT - height,
                round(height, 2),
            )
        )
        before = at_ms
    longest = max((piece.gap_ms for piece in pieces[1:]), default=0)
    return Pieces(tuple(pieces), total, longest, round(width, 2))


def brought(text: str) -> str:
    """The words of the answer, and of a tool call's arguments, in the events of one piece; empty: none are found."""
    said: list[str] = []
    for line in text.splitlines():
        try:
            event = orjson.loads(line.removeprefix("data:"))
        except ValueError:  # a name of an event, `[DONE]`, or an event that is cut
            continue
        kind = event.get("type") if isinstance(event, dict) else None
        if not (isinstance(kind, str) and kind.endswith(_REPEATS)):
            _collect(event, said)
    return "".join(said)


class Words:
    """The words of an answer whose bytes come piece by piece, wherever those are cut."""

    def __init__(self) -> None:
        self._line = bytearray()  # that has no end yet

    def of(self, piece: bytes) -> str:
        """What this piece completes; empty: nothing, or no words."""
        ended, end, begun = piece.rpartition(b"\n")
        if not end:
            self._line += piece
            return ""
        text = (bytes(self._line) + ended).decode("utf-8", "replace")
        self._line = bytearray(begun)
        return brought(text)


def _collect(value: Any, said: list[str], depth: int = 0) -> None:
    """The texts of a delta, whatever the provider's API calls them."""
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        for each in value:
            _collect(each, said, depth + 1)
    elif isinstance(value, dict):
        for name, each in value.items():
            if isinstance(each, str):
                if name in _WORDS:
                    said.append(each)
            else:
                _collect(each, said, depth + 1)


def _bytes(body: str | None) -> bytes | None:
    if body is None:
        return None
    if body.startswith("data:") and ";base64," in body[:200]:
        try:
            return base64.b64decode(body.partition(",")[2])
        except (binascii.Error, ValueError):
            return None
    return body.encode()
