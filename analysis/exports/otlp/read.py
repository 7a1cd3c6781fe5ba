"""The spans of some calls, out of the lake."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from addon.redaction.redactor import Redactor
from analysis.conversations.messages import with_bodies
from analysis.exports.otlp.spans import call_span, has_path_spans, path_span, path_spans
from analysis.lake import Connection
from analysis.table import fetch

Key = tuple[str, int]  # request id, start in epoch microseconds
LONGEST_SESSION: Final = timedelta(days=7)  # before and after a call: so far its session is looked for
_HERE: Final = Path(__file__).parent


def spans_of(
    connection: Connection, calls: Sequence[Key], *, bodies: bool, redactor: Redactor | None = None
) -> list[Span]:
    """A span for each call, and for each part of its session's path that begins with one of these calls."""
    if not calls:
        return []
    wanted = set(calls)
    moments = [datetime.fromtimestamp(us / 1e6, UTC) for _, us in calls]
    bounds = {"since": min(moments), "until": max(moments)}
    found = _records(connection, "spans", {**bounds, "ids": [request_id for request_id, _ in calls]})
    rows = [row for row in found if (row["request_id"], row["started_at_us"]) in wanted]
    said = {}
    if bodies:
        said = {(call.request_id, call.started_at_us): call.conversation for call in with_bodies(connection, rows)}
    return [
        *_paths(connection, rows, bounds),
        *(call_span(row, said.get((row["request_id"], row["started_at_us"])), redactor) for row in rows),
    ]


def _paths(connection: Connection, rows: Sequence[Mapping[str, Any]], bounds: Mapping[str, datetime]) -> Iterator[Span]:
    sessions = {row["session_id"] for row in rows if has_path_spans(row)}
    if not sessions:
        return
    around = {"since": bounds["since"] - LONGEST_SESSION, "until": bounds["until"] + LONGEST_SESSION}
    ids = {row["request_id"] for row in rows}
    for part in path_spans(_records(connection, "sessions", {**around, "sessions": sorted(sessions)})):
        if part.first_request_id in ids:
            yield path_span(part)


def _records(connection: Connection, name: str, values: Mapping[str, object]) -> list[dict[str, Any]]:
    sql = (_HERE / f"{name}.sql").read_text(encoding="utf-8")
    return list(fetch(connection, sql, values).records())
