"""What a row is. The one definition: Parquet, the settled lines, the SQL views, the API and the dashboard derive from it.

Names follow OpenTelemetry's GenAI conventions, units are in the name. None means "not known"; it is never turned into 0.
Annotations carry the type in storage: str VARCHAR, int BIGINT, float DOUBLE, bool BOOLEAN, datetime TIMESTAMPTZ (UTC,
microseconds), tuple[str, ...] VARCHAR[], dict[str, str] MAP(VARCHAR, VARCHAR). A new column raises SCHEMA_VERSION.

For speed the rows of a call are not frozen, though nothing changes them, and no row has slots: what a row says is a dict already,
and a row is made of a copy of one that is like it.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

SCHEMA_VERSION: Final = 5


def made_of[T](kind: type[T], members: dict[str, Any]) -> T:
    """An object with these members, which are all that it has: half of the time of its constructor."""
    made = kind.__new__(kind)
    made.__dict__ = members
    return made


@dataclass(kw_only=True)
class RequestRow:
    """One call of the program, retries and fallbacks included. Table `requests`."""

    request_id: str  # ours (UUIDv7), or the caller's own UUID; may repeat; never the provider's id
    started_at: datetime  # UTC; its date is the partition

    provider_name: str  # the provider that bills the call
    operation_name: str  # chat, responses, text_completion, embeddings, ...
    request_model: str | None = None  # what the caller asked for
    response_model: str | None = None  # what the provider says it used
    response_id: str | None = None  # the provider's own id
    finish_reasons: tuple[str, ...] = ()  # in the provider's own words

    method: str = "POST"  # of the HTTP request
    host: str = ""  # the provider's own, whatever --upstream says
    path: str = ""  # the provider's own, without our prefix and without secrets of the query
    mode: str = "forward"  # forward | reverse | async

    status: int | None = None  # HTTP status; -2 no first byte in time, -3 caller went away, -100 connection failed
    error_type: str | None = None  # None when the call succeeded

    is_stream: bool = False  # the answer came in parts (SSE)
    duration_ms: int | None = None  # from the request's first byte to the answer's end (or terminal event)
    time_to_first_token_ms: int | None = None  # to the answer's first body byte; streams only
    overhead_ms: float | None = None  # what this proxy added before the first byte

    input_tokens: int | None = None  # total, cached tokens included
    cache_read_input_tokens: int | None = None  # part of input_tokens
    cache_creation_input_tokens: int | None = None  # part of input_tokens
    cache_creation_1h_input_tokens: int | None = None  # part of cache_creation_input_tokens
    output_tokens: int | None = None  # reasoning included
    reasoning_output_tokens: int | None = None  # part of output_tokens
    usage_raw: str | None = None  # the provider's usage object as JSON; of a stream: the merged final object
    usage_units: dict[str, str] = field(default_factory=dict)  # unit -> count; "output_tokens of MODEL": its share
    usage_source: str | None = None  # provider | estimated | None
    usage_quality: str | None = None  # what is odd about the stated usage, in words; None: nothing

    cost_nanousd: int | None = None  # 1e-9 USD; None = unknown
    cost_source: str | None = (
        None  # "genai-prices <version>", "heliograph prices", "override <name>", "provider", "free"
    )
    cost_missing: str | None = None  # why cost_nanousd is None, in words
    list_cost_nanousd: int | None = None  # of a call paid by a subscription: what it would have cost by tokens
    price_factors: dict[str, str] = field(default_factory=dict)  # what changes the price: service_tier, region, ...
    repriced: str | None = None  # JSON, oldest first: [{"at": time, "was": {column: value until then}}]; None: never

    cache_status: str | None = None  # hit | miss | coalesced | unavailable: the store is down
    cache_reference_id: str | None = None  # the row whose answer was given again
    saved_nanousd: int | None = None  # what the original call cost

    user_id: str | None = None  # Helicone-User-Id, else the body's `user`
    session_id: str | None = None  # Helicone-Session-Id, else the client's own
    session_path: str | None = None  # Helicone-Session-Path: the call's place in it, e.g. /plan/search
    session_name: str | None = None  # Helicone-Session-Name
    agent: str | None = (
        None  # the agent and its sub-agent, as far as the call tells: claude-code, codex/review; None: not told
    )
    properties: dict[str, str] = field(default_factory=dict)  # lower-case names
    prompt_id: str | None = None  # Helicone-Prompt-Id
    api_key_hash: str | None = None  # keyed hash of the caller's provider key
    helicone_key_hash: str | None = None  # keyed hash of Helicone-Auth

    attempts: int = 1  # upstream calls made; 0 for a cache hit or our own refusal
    failed_attempts: str | None = None  # JSON, those before the last: host, status, started_ms, ...; None: no such
    fallback_index: int | None = None  # which target answered, from 0; None: the call has no fallbacks
    rate_limit_status: str | None = None  # allowed | rate_limited | budget_exceeded | unchecked; None: no limit applied
    client: str | None = None  # the user agent
    client_command: str | None = None  # the calling process on this machine: its command, without arguments
    client_cwd: str | None = None  # its working directory
    client_repository: str | None = None  # name of the git repository that the working directory is in
    request_bytes: int | None = None  # body as sent, compressed if it was
    response_bytes: int | None = None  # body as received, compressed if it was


@dataclass(kw_only=True)
class BodyRow:
    """What was said. Table `bodies`, in files of its own, so that bodies can be kept for less time than numbers.

    Bodies are decoded from gzip, br, zstd; one that is not UTF-8 is kept as a `data:` URL in base64.
    """

    request_id: str
    started_at: datetime
    request_body: str | None = None  # None: omitted by the caller's wish, or empty
    response_body: str | None = None  # of a stream: the events as they came
    response_text: str | None = None  # the words of the answer alone
    request_truncated: bool = False
    response_truncated: bool = False
    request_headers: dict[str, str] = field(default_factory=dict)  # those of a list without secrets, lower-case names
    response_headers: dict[str, str] = field(default_factory=dict)  # the same
    response_piece_times: str | None = None  # of a stream, JSON: [[ms since the piece before, bytes received], ...]


@dataclass(frozen=True, kw_only=True)
class FeedbackRow:
    """A rating of every call with that id; the newest counts. Table `feedback`."""

    request_id: str
    created_at: datetime  # UTC; its date is the partition, here and in the two tables below
    rating: bool  # True: good


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """A number given to every call with that id; for each name the newest counts. Table `scores`."""

    request_id: str
    created_at: datetime
    name: str
    value: float  # finite; a boolean is 1 or 0


@dataclass(frozen=True, kw_only=True)
class PropertyChangeRow:
    """A property set after the call; for each name the newest counts, before the call's own. Table `property_changes`."""

    request_id: str
    created_at: datetime
    name: str  # lower case
    value: str


CALL_TABLES: Final[dict[str, type]] = {"requests": RequestRow, "bodies": BodyRow}
EventRow = FeedbackRow | ScoreRow | PropertyChangeRow
EVENT_TABLES: Final[dict[str, type]] = {
    "feedback": FeedbackRow,
    "scores": ScoreRow,
    "property_changes": PropertyChangeRow,
}
TABLES: Final[dict[str, type]] = CALL_TABLES | EVENT_TABLES
# Columns that files of earlier schema versions, from 2 on, do not have. Readers take them as NULL there.
ADDED_COLUMNS: Final[dict[str, frozenset[str]]] = {
    "requests": frozenset({"failed_attempts", "agent", "repriced"}),
    "bodies": frozenset({"request_headers", "response_headers", "response_piece_times"}),
}
