"""When the pieces of an answer came, in little room: what the dashboard draws as the timeline of a stream.

This runs on the event loop for each piece. Pieces of the same millisecond count as one. A stream of more pieces than are
kept is kept more coarsely: the least gap between two of them doubles whenever there are too many.
"""

from operator import sub
from typing import Final

import orjson

MOST_PIECES: Final = 240  # about 2 KB of text: half a closing line, and one piece for each bar of a chart


class PieceTimes:
    def __init__(self) -> None:
        self._at_ms: list[int] = []  # since the call began
        self._offsets: list[int] = []  # in the answer as it came
        self._gap_ms = 1

    def add(self, at_ms: int, offset: int) -> None:
        """A piece that begins at this byte of the answer came `at_ms` after the call's beginning."""
        times = self._at_ms
        if times and at_ms - times[-1] < self._gap_ms:
            return
        times.append(at_ms)
        self._offsets.append(offset)
        if len(times) > MOST_PIECES:
            self._thin_out()

    def _thin_out(self) -> None:
        """Amortised, this is a few steps for each piece."""
        times, offsets = self._at_ms, self._offsets
        while len(times) > MOST_PIECES // 2:
            self._gap_ms *= 2
            kept = [0]
            for index, at_ms in enumerate(times):
                if at_ms - times[kept[-1]] >= self._gap_ms:
                    kept.append(index)
            times, offsets = [times[index] for index in kept], [offsets[index] for index in kept]
        self._at_ms, self._offsets = times, offsets

    def as_json(self, size: int) -> str | None:
        """[[milliseconds since the piece before, bytes], ...]; the first since the call's beginning. `size`: bytes of the
        whole answer. None: no piece came."""
        times, offsets = self._at_ms, self._offsets
        if not times:
            return None
        gaps = map(sub, times, [0, *times])
        lengths = map(sub, [*offsets[1:], size], offsets)
        return orjson.dumps(list(zip(gaps, lengths, strict=False))).decode()


def read_piece_times(text: str | None) -> list[tuple[int, int, int]]:
    """(milliseconds since the call's beginning, offset in bytes, bytes) of each piece. Text that is not ours has none."""
    try:
        pairs = [(int(gap), int(length)) for gap, length in orjson.loads(text or "[]")]
    except (ValueError, TypeError):
        return []
    found, at_ms, offset = [], 0, 0
    for gap, length in pairs:
        at_ms += gap
        found.append((at_ms, offset, length))
        offset += length
    return found
