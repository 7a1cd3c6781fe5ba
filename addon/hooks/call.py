"""One call of the program, from its headers to its end: what is known of it while it passes."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from addon.config.controls import Controls
from addon.metering.terminal import TerminalScanner, answer_framing
from addon.providers.model import Operation
from addon.routing.router import Route
from addon.sending.fallbacks import Fallbacks
from addon.storage.journal_lines import CallStart, Charge


class Reference(NamedTuple):
    """The call whose answer is given again."""

    request_id: str
    started_at_us: int


@dataclass(slots=True, kw_only=True)
class Call:
    id: str  # of this very call, never repeated; `request_id` may be the caller's
    route: Route  # where the attempt goes that is under way, or went that was the last
    operation: Operation  # of that target
    controls: Controls
    start: CallStart
    began_at: float = field(default_factory=time.time)  # epoch seconds, as mitmproxy stamps its messages

    request_bytes: int = 0
    response_bytes: int = 0
    request_truncated: bool = False
    response_truncated: bool = False

    # The answer, once its headers are in.
    status: int | None = None
    content_type: str | None = None
    content_encoding: str | None = None
    expected_bytes: int | None = None  # content-length of the answer
    first_byte_at: float | None = None
    overhead_ms: float | None = None
    scanner: TerminalScanner | None = None  # of a stream: looks for the event that ends it
    withheld: bytearray = field(default_factory=bytearray)  # an answer that must be in no file, until it is read

    attempts: int = 1  # upstream calls made so far
    tries: int = 1  # those of them that the target under way got
    fallbacks: Fallbacks | None = None  # other targets, where this one fails
    targets: Sequence[Route] = ()  # one for each of them
    fallback_index: int | None = None  # which of them is under way; None: the one that was called
    overrides: Mapping[str, str] = field(default_factory=dict)  # members of the body that were set for it, as JSON text
    came_headers: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)  # with fallbacks, these two are what
    came_body: bytes = field(default=b"", repr=False)  # the caller sent: what each of them is made from
    gave_up: bool = False  # it could have been tried again, and was not

    cache_keys: tuple[str, ...] = ()  # one for each slot of its bucket; none: the cache is off
    cache_status: str | None = None  # hit | miss | coalesced | unavailable; None: the cache was not asked
    reference: Reference | None = None  # whose answer is given again, instead of asking the provider
    caller_left: bool = False  # and others still wait for the answer

    rate_limit_status: str | None = None  # allowed | rate_limited | budget_exceeded | unchecked; None: no limit met
    charges: list[Charge] = field(default_factory=list)  # what the settler charges with what the call used
    warnings: list[str] = field(default_factory=list)  # of ours, beside those about headers

    finished_at: float | None = None  # its terminal event or last byte went by
    closed: bool = False  # the final line is in the journal
    unlogged: bool = False  # the journal could not take it

    @property
    def has_moved_on(self) -> bool:
        """Another target was tried than the one that was to be asked first."""
        return self.fallbacks is not None and self.fallback_index != self.fallbacks.first

    @property
    def is_stream(self) -> bool:
        return answer_framing(self.operation, self.content_type).is_stream
