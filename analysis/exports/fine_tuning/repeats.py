"""Which examples say nothing that another one does not: the same once more, or the beginning of a longer conversation. Pure.

Agents send the whole conversation again each turn, so the last call of a session has all turns before it, and all their
answers. Ids of tool calls, reasoning and tools do not count; another system prompt begins another conversation.
"""

from collections.abc import Iterator
from hashlib import blake2b
from typing import Final

from addon.conversations.model import dumped
from analysis.exports.fine_tuning.example import Example, Turn

_KEY_BYTES: Final = 8  # of a million examples, two share a key by chance once in 30 million sets


class Repeats:
    """Is shown the examples in order of time."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._continued: set[int] = set()

    def add(self, example: Example) -> int | None:
        """The example's key; None: it was there before, with the same answer."""
        *before, key = keys(example)
        self._continued.update(self._seen.intersection(before))
        if key in self._seen:
            return None
        self._seen.add(key)
        return key

    def is_continued(self, key: int) -> bool:
        """Whether a later example begins with the whole of this one. Known when all were added."""
        return key in self._continued


def keys(example: Example) -> Iterator[int]:
    """One for the conversation up to each of its answers."""
    so_far = _hash(b"", example.system.strip().encode("utf-8", "replace"))
    for turn in example.turns:
        so_far = _hash(so_far, _gist(turn))
        if turn.role == "assistant":
            yield int.from_bytes(so_far)


def _gist(turn: Turn) -> bytes:
    content = [part.strip() if isinstance(part, str) else part.url for part in turn.content]
    calls = [[call.name, call.arguments] for call in turn.calls]
    return dumped([turn.role, content, calls, [result.text for result in turn.results]])


def _hash(before: bytes, said: bytes) -> bytes:
    return blake2b(before + said, digest_size=_KEY_BYTES).digest()
