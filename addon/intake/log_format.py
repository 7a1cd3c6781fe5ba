"""Helicone's JSON log of one call becomes a call for the journal. Pure.

    {"providerRequest":  {"url": "...", "json": {...}, "meta": {"Helicone-User-Id": "..."}},
     "providerResponse": {"json": {...}, "textBody": "...", "status": 200, "headers": {}, "cost": 0.01},
     "timing": {"startTime": {"seconds": 0, "milliseconds": 0}, "endTime": {...}, "timeToFirstToken": 0},
     "provider": "OPENAI"}

`timing`, `cost`, `provider` and `textBody` may be missing. The typed variant has its times as texts: seconds or ISO 8601.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from itertools import chain
from typing import Any, Final

import orjson

from addon.config.controls import parse_controls
from addon.ids import uuid7
from addon.intake.log_answers import JSON_TYPE, STREAM_TYPE, bodies, streamed_answer, text_answer
from addon.intake.logged import Logged, said_by, without_omitted
from addon.intake.placing import (
    CUSTOM,
    Place,
    Shape,
    place_of_log,
    provider_named,
    reader_of,
    shape_of,
    short_name,
)
from addon.metering.reading import read_answer
from addon.metering.redaction import reading_as_json
from addon.metering.terminal import answer_framing
from addon.providers.fields import at, string
from addon.providers.model import Json
from addon.storage.journal_lines import CallEnd, CallStart

LAST_S: Final = 4_102_444_800  # 2100: what is later is milliseconds, sent as seconds
DEAREST_USD: Final = 1_000_000  # no call costs that much
LATEST_TOKEN_MS: Final = 10**10  # four months
LONGEST_WORD: Final = 20
# Helicone's statuses of calls that nobody answered whole.
BROKEN: Final = {-2: "upstream_timeout", -3: "client_disconnected", -100: "upstream_disconnected"}


class LogError(Exception):
    """A log that cannot be read. `errors`: (field, what it must be)."""

    def __init__(self, errors: Iterable[tuple[str, str]]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(f"{name}: {message}" for name, message in self.errors))


@dataclass(slots=True)
class _Timing:
    started_at_us: int
    duration_ms: int | None = None
    time_to_first_token_ms: int | None = None


def read_log(
    body: Json, headers: Iterable[tuple[str, str]], *, endpoint: str | None, secret: bytes, now_us: int
) -> Logged:
    """`headers`: those of the log's own HTTP request; `meta` says more of the one call and wins over them.

    Raises LogError that names every wrong field.
    """
    given = _Given(body)
    url = given.text("providerRequest.url")
    request = given.value("providerRequest.json", dict, "an object")
    meta = given.meta()
    status = given.status()
    given.value("providerResponse.headers", dict, "an object", optional=True)
    answer, content_type = given.answer()
    cost_nanousd = given.cost_nanousd()
    timing = given.timing(now_us)
    stated = given.value("provider", str, "a text", optional=True)
    if given.errors:
        raise LogError(given.errors)

    controls = parse_controls(chain(meta, headers))
    said = bodies(answer, content_type)
    shape = shape_of(request, said, provider_named(stated) or provider_named(endpoint))
    place = _place_of_event(request, stated) or place_of_log(url, stated, endpoint, shape, _model(request, said))
    start = CallStart(
        request_id=controls.request_id or uuid7(),
        started_at_us=timing.started_at_us,
        provider_name=place.provider_name,
        operation_name=place.operation_name,
        method="POST",
        host=place.host,
        path=place.path,
        path_model=place.path_model,
        content_type=JSON_TYPE,
        **said_by(controls, secret),
    )
    end = CallEnd(
        status=status,
        error_type=BROKEN.get(status),
        complete=status >= 0,
        content_type=content_type,
        duration_ms=timing.duration_ms,
        time_to_first_token_ms=timing.time_to_first_token_ms,
        request_bytes=len(request_bytes := orjson.dumps(request)),
        response_bytes=len(answer),
        stated_cost_nanousd=cost_nanousd,
        reading=_reading_elsewhere(place, shape, answer, content_type),
    )
    kept = without_omitted(start, end, request_bytes, answer, place.operation)
    return Logged(start=start, end=end, request=kept[0], response=kept[1], warnings=controls.warnings)


def _model(request: Json, said: list[Json]) -> str | None:
    return next((model for body in (request, *said) if (model := string(at(body, "model")))), None)


def _place_of_event(request: Json, stated: str | None) -> Place | None:
    """What a program did beside calling models: Helicone's tool, vector_db and data events, with Helicone's model names."""
    match at(request, "_type"):
        case "tool":
            name, model = "execute_tool", f"tool:{string(at(request, 'toolName')) or 'unknown'}"
        case "vector_db":
            wanted = string(at(request, "operation")) or "search"
            name, model = "retrieval" if wanted == "search" else f"vector_db_{wanted[:LONGEST_WORD]}", "vector_db"
        case "data":
            name, model = "data", string(at(request, "name")) or "data"
        case _:
            return None
    return Place(provider_name=short_name(stated) or CUSTOM, operation_name=name, path_model=model)


def _reading_elsewhere(place: Place, shape: Shape | None, answer: bytes, content_type: str) -> dict[str, Any] | None:
    """What the answer says of itself, where the settler finds no reader for its provider and path."""
    reader = reader_of(shape)
    if place.operation is not None or reader is None:
        return None
    return reading_as_json(read_answer(reader, answer, answer_framing(reader, content_type)))


@dataclass(slots=True)
class _Given:
    """The log as it came. Wrong fields are gathered; what is read of them then means nothing."""

    body: Json
    errors: list[tuple[str, str]] = field(default_factory=list)

    def wrong(self, name: str, message: str) -> None:
        self.errors.append((name, message))

    def find(self, name: str) -> Json:
        return at(self.body, *name.split("."))

    def value(self, name: str, kind: type, called: str, *, optional: bool = False) -> Any:
        """The value of a field, if it is of that kind; else None, and it is wrong."""
        parent = name.rpartition(".")[0]
        if parent and not isinstance(self.find(parent), dict):
            if not any(known == parent for known, _ in self.errors):
                self.wrong(parent, "is required, as an object")
            return None
        value = self.find(name)
        if isinstance(value, kind) or (value is None and optional):
            return value
        self.wrong(name, f"must be {called}" if value is not None else f"is required, as {called}")
        return None

    def text(self, name: str) -> str:
        return self.value(name, str, "a text") or ""

    def meta(self) -> list[tuple[str, str]]:
        """Headers of the one call; numbers and booleans as text."""
        found = []
        for name, value in (self.value("providerRequest.meta", dict, "an object") or {}).items():
            if isinstance(value, str):
                found.append((name, value))
            elif isinstance(value, int | float):
                found.append((name, orjson.dumps(value).decode()))
            elif value is not None:
                self.wrong(f"providerRequest.meta.{name}", "must be a text")
        return found

    def status(self) -> int:
        value = self.value("providerResponse.status", int | float, "a number")  # type: ignore[arg-type]
        if isinstance(value, bool) or (value is not None and not (value == int(value) and -1000 < value < 1000)):
            self.wrong("providerResponse.status", "must be an HTTP status, or -2, -3, -100")
            return 0
        return int(value or 0)

    def answer(self) -> tuple[bytes, str]:
        """The answer's body and content type. `textBody` counts where it has text."""
        text = self.value("providerResponse.textBody", str, "a text", optional=True)
        if text:
            return text_answer(text)
        body = self.find("providerResponse.json")
        if body is None and text is None:
            if isinstance(self.find("providerResponse"), dict):
                self.wrong("providerResponse.json", "is required, or a textBody")
            return b"", JSON_TYPE
        if isinstance(pieces := at(body, "streamed_data"), list):
            return streamed_answer(pieces), STREAM_TYPE
        if isinstance(body, str):
            return text_answer(body)
        return (orjson.dumps(body) if body is not None else b""), JSON_TYPE

    def cost_nanousd(self) -> int | None:
        value = self.find("providerResponse.cost")
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= DEAREST_USD:
            self.wrong("providerResponse.cost", "must be an amount of USD from 0 on")
            return None
        return int((Decimal(repr(value)) * 10**9).to_integral_value(ROUND_HALF_EVEN))

    def timing(self, now_us: int) -> _Timing:
        """Without `timing` the call is of now, and how long it took is not known."""
        timing = self.find("timing")
        if timing is None:
            return _Timing(now_us)
        started_us, ended_us = self.moment("timing.startTime"), self.moment("timing.endTime")
        if started_us is None or ended_us is None:
            return _Timing(now_us)
        if started_us > ended_us:
            self.wrong("timing.endTime", "is before startTime")
        first = self.find("timing.timeToFirstToken")
        if first is not None and (isinstance(first, bool) or not isinstance(first, int | float) or first < 0):
            self.wrong("timing.timeToFirstToken", "must be milliseconds after startTime")
            first = None
        if first is not None and first * 1000 > started_us > 0:  # a moment, as the oldest code says
            first = max(0.0, first - started_us / 1000)
        if first is not None and first > LATEST_TOKEN_MS:
            self.wrong("timing.timeToFirstToken", "must be milliseconds after startTime")
            first = None
        return _Timing(started_us, round((ended_us - started_us) / 1000), None if first is None else round(first))

    def moment(self, name: str) -> int | None:
        """Microseconds since 1970: of `{"seconds", "milliseconds"}`, of seconds as text or of an ISO time."""
        value = self.find(name)
        if isinstance(value, str):
            seconds = _seconds(value)
        else:
            parts = [self.find(f"{name}.{part}") for part in ("seconds", "milliseconds")]
            for part, number in zip(("seconds", "milliseconds"), parts, strict=True):
                if isinstance(number, bool) or not isinstance(number, int | float) or number < 0:
                    self.wrong(f"{name}.{part}", "must be a number from 0 on")
                    return None
            seconds = parts[0] + parts[1] / 1000
        if seconds is None or not math.isfinite(seconds) or not 0 <= seconds < LAST_S:
            self.wrong(name, "must be seconds since 1970, before the year 2100")
            return None
        return round(seconds * 1_000_000)


def _seconds(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
