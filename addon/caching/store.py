"""What a store of cached answers is asked, and what it answers. `sqlite_store.py` and `redis_store.py` are the stores."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal, Protocol

Headers = tuple[tuple[bytes, bytes], ...]

# RFC 9110, 7.6.1, and headers that belong to one answer at one moment.
_NOT_STORED: Final = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding upgrade"
    b" set-cookie set-cookie2 date age".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An answer as it came, and the row of its call."""

    status: int
    headers: Headers
    chunks: tuple[bytes, ...]  # as they came, compressed or not
    latency_ms: int  # of the original call, upstream
    request_id: str  # of the row of the original call; its time helps to find it
    started_at_us: int
    model: str | None = None

    @property
    def content_type(self) -> str | None:
        return self._header(b"content-type")

    @property
    def content_encoding(self) -> str | None:
        return self._header(b"content-encoding")

    def _header(self, name: bytes) -> str | None:
        return next((value.decode("latin-1") for other, value in self.headers if other.lower() == name), None)


@dataclass(frozen=True, slots=True)
class Hit:
    stored: Stored
    bucket_idx: int


@dataclass(frozen=True, slots=True)
class CacheStats:
    entries: int
    bytes: int  # used in the file
    max_bytes: int
    oldest_stored_at: float | None  # epoch seconds
    newest_stored_at: float | None


class Claimed(Enum):
    """What a process learns that wants to make the answer to a call."""

    OURS = "ours"  # this process may make it
    THEIRS = "theirs"  # another process is making it
    STORED = "stored"  # it is in the store by now


class CacheDown(Exception):
    """The store cannot be used. The message is for a person."""


def storable_headers(headers: Iterable[tuple[bytes, bytes]], own_prefix: bytes) -> Headers:
    """The headers of an answer that may be stored: not those of one connection, of one moment, or of one caller, and not
    our own, whose lower-case names start with `own_prefix`."""
    fields = tuple(headers)
    named = {
        name.strip().lower() for field, value in fields if field.lower() == b"connection" for name in value.split(b",")
    }
    return tuple(
        (field, value)
        for field, value in fields
        if (name := field.lower()) not in _NOT_STORED and name not in named and not name.startswith(own_prefix)
    )


class AnswerStore(Protocol):
    """What a proxy asks for each call. Called on the event loop, so an answer from a network is awaited. Nothing raises:
    while the store is down each call is a miss, and `troubles` counts it."""

    @property
    def troubles(self) -> int: ...

    async def get(self, keys: Sequence[str], now: float, dice: Callable[[int], int]) -> Hit | None:
        """An answer, if every slot of the bucket has a fresh one; `dice(n)` picks a slot, 0 to n - 1."""
        ...

    async def put(self, keys: Sequence[str], stored: Stored, *, now: float, max_age_s: float, seed: str | None) -> bool:
        """Fills the first slot that is free or has expired. False: none is, or the answer cannot be stored."""
        ...

    async def get_or_claim(
        self, key: str, holder: str, lease_s: float, now: float
    ) -> Hit | Literal[Claimed.OURS, Claimed.THEIRS]:
        """The answer, else the right to make it, as one step. `holder` names this process. While the store is down every
        process may."""
        ...

    async def claim(self, key: str, holder: str, lease_s: float, now: float) -> Claimed:
        """Asks for the right to make an answer that is not stored, or keeps it for another `lease_s`."""
        ...

    async def is_claimed(self, key: str, now: float) -> bool: ...

    async def release(self, key: str, holder: str) -> None:
        """Others need not wait any longer. Nothing happens where another holder has it."""
        ...

    async def close(self) -> None: ...


class AnswerShelf(Protocol):
    """What a person's commands ask of stored answers. May wait; every method raises CacheDown."""

    def stats(self) -> CacheStats: ...

    def clear(
        self, *, now: float, seed: str | None = None, model: str | None = None, older_than_s: float | None = None
    ) -> int:
        """Removes the answers that meet every given condition; without a condition, all. Returns how many."""
        ...

    def calls(self) -> set[str]:
        """The request ids of the calls whose answers are stored."""
        ...

    def forget(self, request_ids: Collection[str]) -> int:
        """Removes the answers of these calls. Returns how many."""
        ...

    def close(self) -> None: ...
