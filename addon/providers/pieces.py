"""The events of a stream that bring one more piece of text, read without parsing each of them.

Most events of a stream differ from the event before them in one string only, the piece. (OpenAI also pads them, so that their
lengths tell nothing.) Such an event says again what the one before it said. Parsing it again took two thirds of the time of
reading a stream.
"""

from typing import Final

from addon.providers.framing.model import Event

_PADDING: Final = '"obfuscation":"'


class Pieces:
    """Compares events with the last one that was parsed. For each event that it parses, a reader calls `learn` if the event may
    be repeated with another piece without any other effect, else `forget`."""

    def __init__(self) -> None:
        self._head: str | None = None  # before the piece; None: nothing to compare with
        self._between = ""  # the piece and the padding; "": there is no padding
        self._tail = ""

    def learn(self, data: str, key: str, piece: str) -> None:
        """`data`: JSON that was parsed, in which `piece` is the value of a member `key`."""
        self._head = None
        mark = f'"{key}":"'
        head, _, rest = data.partition(mark)
        # Without a backslash every quote begins or ends a string, so this can be no other member.
        if "\\" in data or data.count(f'"{key}"') != 1 or not rest.startswith(piece + '"'):
            return
        self._head, self._between, self._tail = head + mark, "", rest[len(piece) :]
        before, found, after = self._tail.partition(_PADDING)
        if found:
            self._between, self._tail = before + found, after[after.index('"') :]

    def forget(self) -> None:
        self._head = None

    def piece(self, event: Event) -> str | None:
        """The piece of an event that is otherwise like the last one, and is marked so; None: it has to be parsed."""
        data, head, tail = event.data, self._head, self._tail
        if head is None or not data.startswith(head) or not data.endswith(tail):
            return None
        end = len(data) - len(tail)
        if end < len(head):
            return None
        piece = data[len(head) : end]
        if self._between:
            piece, found, padding = piece.partition(self._between)
            if not found or '"' in padding or "\\" in padding or not padding.isprintable():
                return None
        # What is not printable may be a control character, which JSON does not allow.
        if '"' in piece or "\\" in piece or not piece.isprintable():
            return None
        event.repeats = True
        return piece
