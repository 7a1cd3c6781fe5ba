"""Calls as spans in the names of OpenTelemetry's GenAI conventions. Pure.

Source: https://github.com/open-telemetry/semantic-conventions-genai (model/gen-ai/). Ids are made of those of the call and the
session alone, so a call that is sent twice is the same span. A call belongs to the trace of its `traceparent`, else to that of
its session, where each part of its path (`/plan/search`) is a span above it; else it is a trace of its own.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from hashlib import sha256
from typing import Any, Final

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from addon.conversations.model import Conversation, dumped
from addon.redaction.redactor import Redactor

SERVICE: Final = "heliograph"  # spans.sql knows it, too
Row = Mapping[str, Any]  # the columns of spans.sql

_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")
# gen_ai.provider.name and gen_ai.operation.name where their well-known values are not our names.
_PROVIDERS: Final = {
    "gemini": "gcp.gemini",
    "vertex": "gcp.vertex_ai",
    "bedrock": "aws.bedrock",
    "azure": "azure.ai.openai",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "xai": "x_ai",
}
_OPERATIONS: Final = {"responses": "chat", "converse": "chat"}
_PROPERTY: Final = "heliograph.property."
_MESSAGES: Final = {
    "input_messages": "gen_ai.input.messages",
    "output_messages": "gen_ai.output.messages",
    "system_instructions": "gen_ai.system_instructions",
    "tool_definitions": "gen_ai.tool.definitions",
}


@dataclass(frozen=True, slots=True)
class PathSpan:
    """A session, or a part of its path, from its first call to its last answer. Times in epoch microseconds."""

    session_id: str
    path: tuple[str, ...]  # (): the session itself
    name: str
    since_us: int
    until_us: int
    first_request_id: str


def export_request(spans: Iterable[Span]) -> ExportTraceServiceRequest:
    """What is posted to an endpoint."""
    resource = Resource(attributes=list(_attributes({"service.name": SERVICE})))
    scope = ScopeSpans(scope=InstrumentationScope(name=SERVICE), spans=spans)
    return ExportTraceServiceRequest(resource_spans=[ResourceSpans(resource=resource, scope_spans=[scope])])


def call_span(row: Row, conversation: Conversation | None = None, redactor: Redactor | None = None) -> Span:
    """`conversation`: its messages become attributes, as JSON. `redactor`: for rows from before [redact] was set."""
    trace_id, parent_id = _place(row)
    model = row["request_model"] or row["model"]
    operation: str = row["operation_name"]
    operation = _OPERATIONS.get(operation, operation)
    started_ns = row["started_at_us"] * 1000
    failed = row["error_type"] is not None
    attributes = {**_of_call(row, operation), **(_messages(conversation) if conversation else {})}
    if redactor:
        attributes = _redacted(attributes, redactor)
    return Span(
        trace_id=trace_id,
        span_id=_id(8, "call", row["request_id"], str(row["started_at_us"])),
        parent_span_id=parent_id,
        name=f"{operation} {model}" if model else operation,
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=started_ns,
        end_time_unix_nano=started_ns + (row["duration_ms"] or 0) * 1_000_000,
        attributes=list(_attributes(attributes)),
        status=Status(code=Status.STATUS_CODE_ERROR, message=row["error_type"]) if failed else Status(),
    )


def path_span(part: PathSpan) -> Span:
    return Span(
        trace_id=_session_trace(part.session_id),
        span_id=_path_id(part.session_id, part.path),
        parent_span_id=_path_id(part.session_id, part.path[:-1]) if part.path else b"",
        name=part.name,
        kind=Span.SPAN_KIND_INTERNAL,
        start_time_unix_nano=part.since_us * 1000,
        end_time_unix_nano=part.until_us * 1000,
        attributes=list(_attributes({"gen_ai.conversation.id": part.session_id, "session.id": part.session_id})),
    )


def path_spans(paths: Sequence[Row]) -> list[PathSpan]:
    """Of each session and each part of its paths. `paths`: the rows of sessions.sql."""
    found: dict[tuple[str, tuple[str, ...]], PathSpan] = {}
    for row in paths:
        parts = _parts(row["session_path"])
        for length in range(len(parts) + 1):
            path, session_id = parts[:length], row["session_id"]
            name = path[-1] if path else row["session_name"] or session_id
            here = PathSpan(session_id, path, name, row["since_us"], row["until_us"], row["first_request_id"])
            before = found.get((session_id, path))
            found[session_id, path] = _both(before, here) if before else here
    return list(found.values())


def _both(one: PathSpan, other: PathSpan) -> PathSpan:
    first = min(one, other, key=lambda part: (part.since_us, part.first_request_id))
    until_us = max(one.until_us, other.until_us)
    return PathSpan(one.session_id, one.path, first.name, first.since_us, until_us, first.first_request_id)


def has_path_spans(row: Row) -> bool:
    """Whether the call stands below its session: the trace of a program has spans of its own."""
    return row["session_id"] is not None and not _traceparent(row)


def _place(row: Row) -> tuple[bytes, bytes]:
    """Ids of the trace, and of the span above."""
    if found := _traceparent(row):
        return bytes.fromhex(found[1]), bytes.fromhex(found[2])
    if row["session_id"] is None:
        return _id(16, "call", row["request_id"], str(row["started_at_us"])), b""
    return _session_trace(row["session_id"]), _path_id(row["session_id"], _parts(row["session_path"]))


def _traceparent(row: Row) -> re.Match[str] | None:
    """https://www.w3.org/TR/trace-context/#traceparent-header"""
    return _TRACEPARENT.fullmatch(row["traceparent"] or "")


def _parts(path: str | None) -> tuple[str, ...]:
    return tuple(part for part in (path or "").split("/") if part)


def _session_trace(session_id: str) -> bytes:
    return _id(16, "session", session_id)


def _path_id(session_id: str, path: tuple[str, ...]) -> bytes:
    return _id(8, "path", session_id, *path)


def _id(size: int, *names: str) -> bytes:
    """The same for the same names, each time and everywhere."""
    return sha256(b"\0".join(name.encode("utf-8", "replace") for name in names)).digest()[:size]


def _of_call(row: Row, operation: str) -> dict[str, Any]:
    """By name; None where nothing is known. Values of our own begin with `heliograph.`: the conventions have none for money."""
    ttft_ms, nanousd = row["time_to_first_token_ms"], row["cost_nanousd"]
    written = row["cache_creation_input_tokens"]
    return {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": _PROVIDERS.get(row["provider_name"], row["provider_name"]),
        "gen_ai.request.model": row["request_model"],
        "gen_ai.request.stream": row["is_stream"] or None,
        "gen_ai.response.model": row["response_model"],
        "gen_ai.response.id": row["response_id"],
        "gen_ai.response.finish_reasons": row["finish_reasons"] or None,
        "gen_ai.response.time_to_first_chunk": None if ttft_ms is None else ttft_ms / 1000,
        "gen_ai.usage.input_tokens": row["input_tokens"],
        "gen_ai.usage.output_tokens": row["output_tokens"],
        "gen_ai.usage.cache_read.input_tokens": row["cache_read_input_tokens"],
        "gen_ai.usage.cache_write.input_tokens": written,
        "gen_ai.usage.cache_creation.input_tokens": written,  # its name until 2026; most receivers know this one
        "gen_ai.usage.reasoning.output_tokens": row["reasoning_output_tokens"],
        "gen_ai.conversation.id": row["session_id"],
        "gen_ai.agent.name": row["agent"],
        "gen_ai.prompt.name": row["prompt_id"],
        "session.id": row["session_id"],
        "user.id": row["user_id"],
        "server.address": row["host"] or None,
        "error.type": row["error_type"],
        "http.response.status_code": row["status"] if (row["status"] or 0) > 0 else None,
        "user_agent.original": row["client"],
        "heliograph.request_id": row["request_id"],
        "heliograph.cost_usd": None if nanousd is None else nanousd / 1e9,
        "heliograph.cost_source": row["cost_source"],
        "heliograph.cache_status": row["cache_status"],
        "heliograph.attempts": row["attempts"],
        "heliograph.session_path": row["session_path"],
        **{f"{_PROPERTY}{name}": value for name, value in (row["properties"] or {}).items()},
    }


def _messages(conversation: Conversation) -> dict[str, str]:
    told = {item.name: getattr(conversation, item.name) for item in fields(conversation) if item.name in _MESSAGES}
    return {_MESSAGES[name]: dumped(list(value)).decode() for name, value in told.items() if value}


def _redacted(attributes: Mapping[str, Any], redactor: Redactor) -> dict[str, Any]:
    """Messages, the user and properties without secrets. The other attributes are ours and the provider's."""
    found = dict(attributes)
    if found["user.id"] is not None:
        found["user.id"] = redactor.user(found["user.id"])
    for name in found.keys() & _MESSAGES.values():
        body = redactor.body(found[name].encode())
        found[name] = None if body is None else body.decode("utf-8", "replace")
    named = [name for name in found if name.startswith(_PROPERTY)]
    return found | dict(zip(named, redactor.texts([found[name] for name in named]), strict=True))


def _attributes(values: Mapping[str, Any]) -> Iterator[KeyValue]:
    return (KeyValue(key=name, value=_value(value)) for name, value in values.items() if value is not None)


def _value(value: Any) -> AnyValue:
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case list() | tuple():
            return AnyValue(array_value=ArrayValue(values=[_value(one) for one in value]))
    return AnyValue(
        string_value=str(value).encode("utf-8", "replace").decode()
    )  # protobuf takes no half surrogate pairs
