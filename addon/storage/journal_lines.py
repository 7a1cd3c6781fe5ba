"""The lines of a journal segment: what the proxy writes while calls pass, and the settler reads.

One JSON object a line. `t` names the kind, `id` the call (unique over all time, unlike the request id). A call is
`start`, then body pieces as they arrive, then one or more `end` lines, of which the last wins: the first is written
before the answer's last bytes leave, a later one amends it. Pieces are raw: compressed bodies are kept as they came.

    {"t":"start","id":"0199...","call":{...CallStart...}}
    {"t":"request","id":"0199...","text":"{\\"model\\": ..."}      or "b64" where the piece is not UTF-8
    {"t":"response","id":"0199...","text":"data: {..."}
    {"t":"end","id":"0199...","final":false,"call":{...CallEnd...}}

What somebody says of a call afterwards is a line that stands alone: an event, with an id of its own.

    {"t":"event","id":"0199...","table":"feedback","row":{"request_id":"0199...","created_at":"2026-11-21T...","rating":true}}
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, Literal

import orjson
import pybase64

from addon.storage.record import EVENT_TABLES, EventRow, FeedbackRow, PropertyChangeRow, ScoreRow

Side = Literal["request", "response"]
# The error type of a call that the proxy refused since too much was under way, whatever its body says in the words of the API.
OVERLOADED: Final = "heliograph_overloaded"
# How a line with a piece begins, as `piece_line` writes it.
_PIECE: Final = re.compile(rb'\{"t":"(request|response)","id":"([^"\\]*)","(text|b64)":"')
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TABLE_OF: Final = {record: table for table, record in EVENT_TABLES.items()}


# Two properties of these records are for the settler's speed. They have no slots: a copy of an object's dict is a copy of the call. (They
# are made slower and written quicker by that: together nothing.) What differs from call to call comes first: behind it the lines of
# one program's calls are the same text, which `known_lines` reads once.
@dataclass(kw_only=True)
class CallStart:
    """Known when the request's headers are in. No secret is in here."""

    request_id: str
    started_at_us: int  # epoch, microseconds, UTC
    user_id: str | None = None
    session_id: str | None = None  # from headers; the body's comes later, when it is read
    socket_id: str | None = None  # of a call over a WebSocket: its session where neither names one
    session_path: str | None = None
    session_name: str | None = None
    properties: dict[str, str] = field(default_factory=dict)
    prompt_id: str | None = None
    headers: dict[str, str] = field(default_factory=dict)  # those that `config/kept_headers.py` lists
    provider_name: str
    operation_name: str
    method: str
    host: str  # the provider's own
    path: str
    mode: str
    path_model: str | None = None  # a model that the path names (Bedrock, Gemini, Azure)
    content_type: str | None = None
    content_encoding: str | None = None
    agent: str | None = None  # that a span names
    sub_agent: str | None = None  # its kind
    model_override: str | None = None
    omit_request: bool = False
    omit_response: bool = False
    api_key_hash: str | None = None
    helicone_key_hash: str | None = None
    client: str | None = None
    paid_by_plan: bool = False  # the credential is that of a subscription: the call has no cost of its own

    @property
    def started_at(self) -> datetime:
        return _moment(self.started_at_us)


def started_again(start: CallStart, request_id: str, started_at_us: int, headers: dict[str, str]) -> CallStart:
    """The start of a call that is like an earlier one in all but this."""
    again = CallStart.__new__(CallStart)
    again.__dict__ = {
        **vars(start),
        "request_id": request_id,
        "started_at_us": started_at_us,
        "headers": headers,
    }
    return again


@lru_cache(16)  # of a call it is asked some times, one after the other
def _moment(since_epoch_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=since_epoch_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """A limit of money or tokens that the call was let through on, to be charged with what the call used."""

    key: str  # of the bucket
    unit: Literal["cents", "tokens"]
    quota: float
    window_s: int


@dataclass(kw_only=True)
class CallEnd:
    """Known when the answer has ended, however it ended."""

    duration_ms: int | None = 0
    time_to_first_token_ms: int | None = None
    overhead_ms: float | None = None
    request_bytes: int = 0
    response_bytes: int = 0
    piece_times: str | None = None  # see BodyRow.response_piece_times
    kept_headers: dict[str, str] = field(default_factory=dict)  # those that `config/kept_headers.py` lists
    answer_headers: dict[str, str] = field(default_factory=dict)  # those that the operation's reader asks for
    status: int
    error_type: str | None = (
        None  # ours; the provider's own is read from the body and wins where the answer is an error
    )
    complete: bool = True  # the whole answer or its terminal event went by
    content_type: str | None = None  # of the answer
    content_encoding: str | None = None
    attempts: int = 1
    failed_attempts: str | None = None  # JSON, see RequestRow
    fallback_index: int | None = None
    # The provider that answered, where it is not the called one; and the members set in the body for it, as JSON text.
    provider_name: str | None = None
    operation_name: str | None = None
    host: str | None = None
    path: str | None = None
    overrides: dict[str, str] = field(default_factory=dict)
    client_command: str | None = None  # of the process on this machine that called
    client_cwd: str | None = None
    client_repository: str | None = None
    cache_status: str | None = None
    cache_reference_id: str | None = None  # of a hit: the request id whose answer it is, and when that call began
    cache_reference_started_at_us: int | None = None
    rate_limit_status: str | None = None
    request_truncated: bool = False
    response_truncated: bool = False
    charges: list[Charge] = field(default_factory=list)  # none for a hit or a refusal
    # What the answer says of itself (fields of providers.model.Reading), where the body cannot tell it: the caller wants
    # the answer in no file (then without `text`), or it was logged in a form of its own.
    reading: dict[str, Any] | None = None
    stated_cost_nanousd: int | None = None  # by the program that logged the call
    session_path: str | None = None  # these two win over the start's: a span's ancestors become known after it
    session_name: str | None = None


@dataclass(slots=True)
class Line:
    """One line of a segment, read. `call` is set for start and end, `data` for pieces, `row` for events."""

    kind: Literal["start", "request", "response", "end", "event"]
    call_id: str  # or the event's own
    call: CallStart | CallEnd | None = None
    final: bool = False
    data: bytes = b""
    row: EventRow | None = None


def start_line(call_id: str, call: CallStart) -> bytes:
    return b'{"t":"start","id":%b,"call":%b}\n' % (orjson.dumps(call_id), _dump(call))


def end_line(call_id: str, call: CallEnd, final: bool) -> bytes:
    flag = b"true" if final else b"false"
    return b'{"t":"end","id":%b,"final":%b,"call":%b}\n' % (orjson.dumps(call_id), flag, _dump(call))


def piece_line(call_id: str, side: Side, data: bytes) -> bytes:
    head = b'{"t":"%b","id":%b,' % (side.encode(), orjson.dumps(call_id))
    try:
        # A frame of an AWS event stream is not text, and an exception costs more than this test.
        if not data.startswith(b"\0"):
            return b"".join((head, b'"text":', orjson.dumps(data.decode()), b"}\n"))
    except UnicodeDecodeError:
        pass
    return b"".join((head, b'"b64":"', pybase64.b64encode(data), b'"}\n'))


def event_line(event_id: str, row: EventRow) -> bytes:
    return b'{"t":"event","id":%b,"table":"%b","row":%b}\n' % (
        orjson.dumps(event_id),
        _TABLE_OF[type(row)].encode(),
        _dump(row),
    )


def parse_line(raw: bytes) -> Line:
    """Reads one line. Raises ValueError with what is wrong when the line is not one of ours."""
    line = orjson.loads(raw)  # its JSONDecodeError is a ValueError
    match line:
        case {"t": "start", "id": str(call_id), "call": dict(call)}:
            return Line("start", call_id, call=call_of(CallStart, call))
        case {"t": "end", "id": str(call_id), "final": bool(final), "call": dict(call)}:
            return Line("end", call_id, call=call_of(CallEnd, call), final=final)
        case {"t": ("request" | "response") as kind, "id": str(call_id), "text": str(text)}:
            return Line(kind, call_id, data=text.encode())
        case {"t": ("request" | "response") as kind, "id": str(call_id), "b64": str(text)}:
            return Line(kind, call_id, data=pybase64.b64decode(text, validate=True))
        case {"t": "event", "id": str(event_id), "table": str(table), "row": dict(row)}:
            return Line("event", event_id, row=_event(table, row))
    raise ValueError("not a line of a journal")


def piece_of(raw: bytes) -> str | None:
    """The call that a line with a piece of a body belongs to, by its beginning and its end; None for other lines."""
    head = _PIECE.match(raw)
    return head[2].decode("utf-8", "replace") if head and raw.endswith(b'"}') else None


def bodies_of(lines: Iterable[bytes]) -> tuple[bytes, bytes]:
    """Request and response of one call, put together of the lines with its pieces. Raises ValueError where one of them is
    not such a line.

    Pieces in text are one JSON string when their quotes are taken off: a stream is parsed once, not piece by piece.
    """
    lines = list(lines)
    if len(lines) == len(_SIDES) and (texts := _text_each(lines)):
        return texts
    sides: dict[str, list[bytes]] = {"request": [], "response": []}
    for (side, form), values in _alike(lines):
        if form == "text":
            text = orjson.loads(b'"%b"' % b"".join(values))
            sides[side].append(str(text).encode())
        else:
            sides[side] += [pybase64.b64decode(value, validate=True) for value in values]
    return b"".join(sides["request"]), b"".join(sides["response"])


_SIDES: Final = ("request", "response")


def _text_each(lines: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """Of a call with one line for each side, both text, as nearly all are that are not streams; None: it is not so."""
    request, response = map(orjson.loads, lines)
    if not (type(request) is type(response) is dict and (request.get("t"), response.get("t")) == _SIDES):
        return None
    asked, answered = request.get("text"), response.get("text")
    return (asked.encode(), answered.encode()) if type(asked) is type(answered) is str else None


def _alike(lines: Iterable[bytes]) -> Iterator[tuple[tuple[str, str], list[bytes]]]:
    """The pieces, quotes left off, of neighbouring lines of one side and form. Raises ValueError."""
    prefix, kind, values = b"", ("", ""), list[bytes]()
    for raw in lines:
        if not (prefix and raw.startswith(prefix)):
            if values:
                yield kind, values
            head = _PIECE.match(raw)
            if head is None:
                line = parse_line(raw)
                if line.kind not in ("request", "response"):
                    raise ValueError("not a piece of a body")
                prefix, kind, values = b"", (line.kind, "b64"), [pybase64.b64encode(line.data)]
                continue
            prefix, kind, values = head[0], (head[1].decode(), head[3].decode()), []
        if not raw.endswith(b'"}'):
            raise ValueError("a piece without its end")
        values.append(raw[len(prefix) : -2])
    if values:
        yield kind, values


# Times outside these years have no row: a date that no calendar has would stop the settler.
_FIRST_US: Final = 0  # 1970
_LAST_US: Final = 4_102_444_800_000_000  # 2100


def call_of[T: (CallStart, CallEnd)](kind: type[T], given: Mapping[str, Any]) -> T:
    """A call's record. Fields of a newer version are left out, so that an older settler can read on. Raises ValueError."""
    try:
        call = kind(**_known(kind, given))
        if isinstance(call, CallEnd) and call.charges:
            call.charges = [Charge(**_known(Charge, dict(charge))) for charge in given["charges"]]
    except TypeError as error:  # a field that must be there is not
        raise ValueError(str(error)) from error
    if isinstance(call, CallStart):
        check_start(call)
    return call


def check_start(call: CallStart) -> None:
    """Raises ValueError."""
    if not (isinstance(call.started_at_us, int) and _FIRST_US <= call.started_at_us < _LAST_US):
        raise ValueError(f"started_at_us is {call.started_at_us!r}")


def _event(table: str, given: Mapping[str, Any]) -> EventRow:
    match given:
        case {"request_id": str(request_id), "created_at": str(at)}:
            created_at = datetime.fromisoformat(at)
            if created_at.tzinfo is None or not _FIRST_US <= _microseconds(created_at) < _LAST_US:
                raise ValueError(f"created_at is {at!r}")
            created_at = created_at.astimezone(UTC)
            match (table, given):
                case "feedback", {"rating": bool(rating)}:
                    return FeedbackRow(request_id=request_id, created_at=created_at, rating=rating)
                case "scores", {"name": str(name), "value": float(value)}:
                    return ScoreRow(request_id=request_id, created_at=created_at, name=name, value=value)
                case "property_changes", {"name": str(name), "value": str(text)}:
                    return PropertyChangeRow(request_id=request_id, created_at=created_at, name=name, value=text)
    raise ValueError(f"not an event of {table!r}")


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _known(kind: type[CallStart | CallEnd | Charge], given: Mapping[str, Any]) -> Mapping[str, Any]:
    names = _FIELDS[kind]
    return given if given.keys() <= names else {name: value for name, value in given.items() if name in names}


_FIELDS: Final = {kind: frozenset(item.name for item in fields(kind)) for kind in (CallStart, CallEnd, Charge)}


def _dump(call: CallStart | CallEnd | EventRow) -> bytes:
    try:
        return orjson.dumps(call)
    except TypeError:  # text that is not Unicode: header bytes decoded with surrogates
        return orjson.dumps(without_surrogates(asdict(call)))


def without_surrogates(value: Any) -> Any:
    """The same value with "?" for each lone surrogate, which JSON in UTF-8 cannot carry."""
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case dict():
            return {without_surrogates(key): without_surrogates(item) for key, item in value.items()}
        case list() | tuple():
            return [without_surrogates(item) for item in value]
    return value
