"""One recorded call: what a program asked, and the answer with the time of each piece."""

from dataclasses import dataclass, field
from typing import NamedTuple


class Piece(NamedTuple):
    """A piece of an answer's body as it came from the provider."""

    at_ms: int  # since the request was in
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the answer depends on. Headers are left out: credentials, dates, ids and SDK versions change from run to run."""

    provider: str  # its short name; the host behind it may change
    method: str
    target: str  # path and query of the provider's own API, without secrets
    body: bytes  # uncompressed, without secrets
    content_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCall:
    id: str  # the request id of its row in the data folder where it was recorded
    started_at: str  # ISO 8601, UTC
    question: Question
    status: int
    headers: dict[str, str] = field(default_factory=dict)  # lower-case names
    head_at_ms: int = 0  # since the request was in
    pieces: tuple[Piece, ...] = ()
    ended_at_ms: int = 0
    cut: str | None = None  # why the answer is not whole, in words; None: it is
