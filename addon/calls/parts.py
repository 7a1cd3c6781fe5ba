"""What is known of one call while it passes, part by part. Each part has one writer, named in its docstring; everybody may read.

Files without a folder are in `hooks/`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from addon.calls.failures import Failure, Phase
from addon.config.controls import Controls
from addon.limits.refusal import Standing
from addon.metering.piece_times import PieceTimes
from addon.providers.framing.model import Scanner
from addon.providers.model import Operation
from addon.routing.router import Route
from addon.sending.fallbacks import Codes, Fallbacks
from addon.sending.timeouts import Timeouts
from addon.storage.journal_lines import CallStart, Charge

if TYPE_CHECKING:
    from addon.redaction.redactor import Redactor

Fields = tuple[tuple[bytes, bytes], ...]


class Reference(NamedTuple):
    """The call whose answer is given again."""

    request_id: str
    started_at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the request's headers say. Written by `route.py`, once."""

    controls: Controls
    start: CallStart
    timeouts: Timeouts


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAttempt:
    """An attempt that another one followed."""

    provider_name: str
    host: str
    status: int | None  # None: no answer
    error_type: str | None  # why there was none
    started_ms: int  # since the call began
    duration_ms: int


@dataclass(slots=True, kw_only=True)
class Attempts:
    """Upstream calls. Written by `route.py` (the first target), `fallback.py`, `ask_usage.py` and `retry.py`."""

    route: Route  # of the attempt under way, or of the last one
    operation: Operation  # of that target
    made: int = 1  # upstream calls so far
    tries: int = 1  # those of them that the current target got
    failed: list[FailedAttempt] = field(default_factory=list)  # those before the one under way
    began_at: float | None = None  # of the one under way, epoch seconds; None: it is the first
    fallbacks: Fallbacks | None = None  # other targets, for when this one fails
    targets: Sequence[Route] = ()  # one for each of them
    fallback_index: int | None = None  # which of them is under way; None: the one that was called
    overrides: Mapping[str, str] = field(default_factory=dict)  # members of the body that were set for it, as JSON text
    came_headers: Fields = field(default=(), repr=False)  # with fallbacks: the caller's own headers and body,
    came_body: bytes = field(default=b"", repr=False)  # from which each target's request is made
    hold: Codes | None = None  # statuses that are held back since another attempt may follow; None: none ever follows
    again: bool = False  # the attempt that ended is to be followed by another
    gave_up: bool = False  # it could have been tried again, and was not
    hides_usage: bool = False  # the stream was asked for its usage, and not by the caller

    @property
    def has_moved_on(self) -> bool:
        """Another target was tried than the one that was to be asked first."""
        return self.fallbacks is not None and self.fallback_index != self.fallbacks.first


@dataclass(slots=True)
class Upstream:
    """How the attempt under way went. Written by `mitm/stream.py`."""

    sent_at: float | None = None  # epoch seconds when the request began to go out
    connect_s: float = 0.0  # spent on getting a connection
    failure: Failure | None = None  # what ended the call early


@dataclass(slots=True)
class Answer:
    """The answer, once its headers are in. Written by `capture.py`."""

    status: int | None = None
    content_type: str | None = None
    content_encoding: str | None = None
    headers: dict[str, str] = field(default_factory=dict)  # those that the operation's reader asks for
    kept_headers: dict[str, str] = field(default_factory=dict)  # those that `config/kept_headers.py` lists
    expected_bytes: int | None = None  # content-length
    first_byte_at: float | None = None
    overhead_ms: float | None = None
    is_stream: bool = False

    @property
    def phase(self) -> Phase:
        return Phase.BEFORE_FIRST_BYTE if self.status is None else Phase.AFTER_FIRST_BYTE


@dataclass(slots=True)
class Copied:
    """What of the call is in the journal. Written by `capture.py`."""

    request_bytes: int = 0
    request_truncated: bool = False
    response_bytes: int = 0
    response_truncated: bool = False
    piece_times: PieceTimes = field(default_factory=PieceTimes)  # of a stream
    scanner: Scanner | None = None  # of a stream: looks for the event that ends it
    # An answer that must be in no file, until it is read; with `redactor`, until it is redacted.
    withheld: bytearray = field(default_factory=bytearray)
    held_bytes: int = 0  # of the answer, counted in `Calls.held_answers`
    redactor: "Redactor | None" = None  # of all that the journal gets of this call
    finished_at: float | None = None  # its terminal event or last byte went by
    closed: bool = False  # the final line is in the journal


@dataclass(slots=True)
class Limited:
    """Rate limits and budgets. Written by `limits.py`. An amount that is reserved of a budget until the true one is known
    belongs here, beside the charges."""

    status: str | None = None  # allowed | rate_limited | budget_exceeded | unchecked; None: no limit applied
    charges: list[Charge] = field(default_factory=list)  # what the settler charges with what the call used
    standing: Standing | None = None  # of the tightest limit: for the answer's headers
