"""One call of another tool's history, and what the journal gets of it."""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from addon.intake.logged import MODE, Logged
from addon.intake.placing import Place
from addon.providers.model import Json, Usage
from addon.storage.journal_lines import CallEnd, CallStart

FROM: Final = "imported_from"  # the property that marks such a row
STATED_COST: Final = "imported_cost_usd"  # the property with what the other tool says it cost
JSON_TYPE: Final = "application/json"
# Ids of rows are made of the other tool's ids, so that the same call has the same row id whenever it is imported.
_IDS: Final = uuid.UUID("6f1d1c1e-9f0a-5d0e-8b0c-1a7d0f6d9c11")
_EARLIEST: Final = datetime(2018, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)


class HistoryError(Exception):
    """A file that cannot be taken. The message says where, what was expected and what was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A call as another tool kept it. None is what it does not know."""

    source: str  # the tool, e.g. claude-code
    source_id: str  # unique among the tool's calls
    started_at: datetime
    place: Place
    model: str | None
    response_id: str | None = None
    usage: Usage | None = None  # where no body states it
    usage_raw: Json = None
    response_model: str | None = None
    finish_reasons: tuple[str, ...] = ()
    request: bytes = b""
    response: bytes = b""
    response_type: str = JSON_TYPE
    is_read: bool = False  # `response` is the provider's own form of an answer: usage and the rest are read from it
    status: int = 200
    error_type: str | None = None
    duration_ms: int | None = None
    time_to_first_token_ms: int | None = None
    request_id: str | None = None  # a UUID of the tool's own, which the row keeps
    user_id: str | None = None
    session_id: str | None = None
    session_path: str | None = None
    session_name: str | None = None
    agent: str | None = None
    client: str | None = None
    cwd: str | None = None
    repository: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    stated_cost_usd: str | None = None
    paid_by_plan: bool = False

    @property
    def row_id(self) -> str:
        return self.request_id or str(uuid.uuid5(_IDS, f"{self.source} {self.source_id}"))

    def logged(self) -> Logged:
        """As the journal takes it. It is priced like every other call, at the prices of its day."""
        place = self.place
        properties = {**self.properties, FROM: self.source}
        if self.stated_cost_usd is not None:
            properties[STATED_COST] = self.stated_cost_usd
        start = CallStart(
            request_id=self.row_id,
            started_at_us=round(self.started_at.timestamp() * 1_000_000),
            provider_name=place.provider_name,
            operation_name=place.operation_name,
            method="POST",
            host=place.host,
            path=place.path,
            mode=MODE,
            path_model=self.model or place.path_model,
            content_type=JSON_TYPE,
            user_id=self.user_id,
            session_id=self.session_id,
            session_path=self.session_path,
            session_name=self.session_name,
            agent=self.agent,
            properties=properties,
            client=self.client,
            paid_by_plan=self.paid_by_plan,
        )
        end = CallEnd(
            status=self.status,
            error_type=self.error_type,
            content_type=self.response_type,
            duration_ms=self.duration_ms,
            time_to_first_token_ms=self.time_to_first_token_ms,
            client_cwd=self.cwd,
            client_repository=self.repository,
            request_bytes=len(self.request),
            response_bytes=len(self.response),
            reading=None if self.is_read else self._reading(),
        )
        return Logged(start=start, end=end, request=self.request, response=self.response)

    def _reading(self) -> dict[str, Any]:
        return {
            "response_model": self.response_model,
            "response_id": self.response_id,
            "finish_reasons": list(self.finish_reasons),
            "usage": asdict(self.usage) if self.usage else None,
            "usage_raw": self.usage_raw,
        }


@dataclass(frozen=True, slots=True)
class Source:
    """One tool whose history can be imported."""

    name: str  # as in the property `imported_from`
    title: str  # for people: what is expected
    fits: Callable[[Mapping[str, Any]], bool]  # whether a record of a file is one of the tool's
    read: Callable[[Path], Iterator[Imported]]  # raises HistoryError
    is_unfinished: bool = False  # the tool may be writing the file: a last line without its end is left out


def moment(value: Any, where: str, name: str) -> datetime:
    """ISO 8601 text, with a space for the T as databases have it, or seconds or milliseconds since 1970; UTC where nothing else
    is said. Raises HistoryError."""
    found: datetime | None = None
    if isinstance(value, str) and value:
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            found = None
    elif isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e14:
        found = datetime.fromtimestamp(value / 1000 if value > 1e11 else value, UTC)
    if found is not None:
        found = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    if found is None or not _EARLIEST <= found < _LATEST:
        raise HistoryError(f"{where}: {name} must be a time such as 2026-01-31T12:00:00Z, not {json.dumps(value)[:80]}")
    return found


def milliseconds(began: datetime, ended: datetime | None) -> int | None:
    return None if ended is None or ended < began else round((ended - began).total_seconds() * 1000)
