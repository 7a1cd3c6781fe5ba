"""A bound on the bodies that all calls hold together: one for requests, one for answers. Each call has a cap of its own
(`mitm/stream.py`, `max_body_bytes`); without these bounds many connections could still fill the machine's memory.

Where there is no room, a request is refused, and an answer goes on to its caller while its copy is cut.
"""

from typing import Final

MOST_HELD_BYTES: Final = 512 * 2**20  # a hundred calls with five megabytes of images each
# An eighth is kept for calls of up to this size: a few large uploads must not keep everybody else out.
SMALL_BODY_BYTES: Final = 256 * 2**10


class HeldBodies:
    """Bytes that are held now. The stream of a call takes them as they come; the end of the call gives them back."""

    def __init__(self, most_bytes: int = MOST_HELD_BYTES) -> None:
        self.most_bytes = most_bytes
        self._bytes = 0

    def take(self, more: int, body_bytes: int) -> bool:
        """Whether there was room for `more` bytes of a body that has `body_bytes` with them."""
        if not self.has_room(more, body_bytes):
            return False
        self._bytes += more
        return True

    def has_room(self, more: int, body_bytes: int) -> bool:
        kept_free = 0 if body_bytes <= SMALL_BODY_BYTES else self.most_bytes // 8
        return self._bytes + more <= self.most_bytes - kept_free

    def give_back(self, given: int) -> None:
        self._bytes -= given

    def __int__(self) -> int:
        return self._bytes
