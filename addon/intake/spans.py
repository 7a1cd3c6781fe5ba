"""OpenTelemetry spans of calls to models become calls for the journal. Pure, but for the memory of spans that were seen.

Read are GenAI attributes in their current names (`gen_ai.provider.name`, `gen_ai.usage.input_tokens`, messages as JSON), in
their old ones (`gen_ai.system`, `gen_ai.prompt.0.content`, `gen_ai.usage.prompt_tokens`, `llm.*`), and OpenInference's
(`llm.model_name`, `llm.token_count.*`). Every other span makes no row and is known as somebody's parent. An agent's span
repeats the tokens of the calls below it, so it makes no row either.

An exporter that tries again sends a span twice, and a parent ends after its children: the last MOST_SPANS spans of this
process are remembered. A span whose parent was not seen yet has a session path of what is known, its own name at least.
"""

import uuid
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final, NamedTuple

import orjson
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status, TracesData

from addon.config.controls import parse_controls
from addon.intake.log_answers import JSON_TYPE
from addon.intake.logged import Logged, said_by, without_omitted
from addon.intake.placing import CUSTOM, Place, Shape, place_at, provider_named, provider_of_model, short_name
from addon.providers.model import Reading, Usage
from addon.storage.journal_lines import CallEnd, CallStart

Attributes = Mapping[str, Any]

MOST_SPANS: Final = 100_000
# Each call gets the attributes of its resource and the names of its ancestors, so both have a bound.
MOST_RESOURCE_ATTRIBUTES: Final = 256  # SDKs send at most 128
MOST_NAME_LETTERS: Final = 256
_SPANS: Final = uuid.UUID("5d0b7a52-6c1f-4b8e-9a54-0d5f3a6f1c77")  # a namespace of our own
_DEEPEST: Final = 64  # ancestors in a session path
_LAST_US: Final = 4_102_444_800_000_000  # 2100
_ASSOCIATED: Final = "traceloop.association.properties."
_MARKS: Final = ("gen_ai.request.model", "gen_ai.response.model", "gen_ai.system", "gen_ai.provider.name")
_OTHER_MARKS: Final = ("gen_ai.operation.name", "llm.request.type", "llm.model_name", "llm.response.model")
# Others' words for operations, and whose spans only gather what others did.
_OPERATIONS: Final = {"completion": "text_completion", "embedding": "embeddings", "": "chat"}
_GATHERING: Final = frozenset({"invoke_agent", "create_agent", "invoke_workflow", "chain", "agent", "workflow", "task"})


class Known(NamedTuple):
    name: str
    parent: str | None  # its span id


class Memory:
    """Spans that were seen, the oldest forgotten first."""

    def __init__(self, most: int = MOST_SPANS) -> None:
        self._most = most
        self._spans: OrderedDict[tuple[str, str], Known] = OrderedDict()

    def add(self, trace: str, span: str, known: Known) -> bool:
        """False: it was there before."""
        if (trace, span) in self._spans:
            return False
        self._spans[trace, span] = known
        if len(self._spans) > self._most:
            self._spans.popitem(last=False)
        return True

    def path(self, trace: str, span: str) -> list[str]:
        """Names from the earliest known ancestor down to the span itself."""
        names: list[str] = []
        at: str | None = span
        while at and len(names) < _DEEPEST and (known := self._spans.get((trace, at))):
            names.append(known.name)
            at = known.parent
        return names[::-1]


def read_traces(
    traces: TracesData, headers: Iterable[tuple[str, str]], *, memory: Memory, secret: bytes, now_us: int
) -> Iterator[Logged]:
    """The calls in what was exported, those that were not seen before."""
    fresh: list[tuple[Attributes, Span]] = []
    for resource in traces.resource_spans:
        shared = attributes_of(resource.resource.attributes[:MOST_RESOURCE_ATTRIBUTES])
        spans = (span for scope in resource.scope_spans for span in scope.spans)
        fresh += ((shared, span) for span in spans if memory.add(*_ids(span), _known(span)))
    given = list(headers)
    for resource, span in fresh:
        attributes = {**resource, **attributes_of(span.attributes)}
        if _is_call(attributes):
            yield _logged(span, attributes, given, memory, secret, now_us)


def _ids(span: Span) -> tuple[str, str]:
    """Of the trace and of the span: 16 and 8 bytes; longer ones are cut."""
    return span.trace_id[:16].hex(), span.span_id[:8].hex()


def _known(span: Span) -> Known:
    return Known(span.name[:MOST_NAME_LETTERS], span.parent_span_id[:8].hex() or None)


def attributes_of(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: value_of(pair.value) for pair in pairs}


def value_of(value: AnyValue) -> Any:
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [value_of(item) for item in value.array_value.values]
        case "kvlist_value":
            return attributes_of(value.kvlist_value.values)
        case "bytes_value":
            return value.bytes_value.decode("utf-8", "replace")
        case kind:
            return getattr(value, kind)


def _is_call(attributes: Attributes) -> bool:
    operation = _text(attributes, "gen_ai.operation.name", "traceloop.span.kind", "openinference.span.kind") or ""
    is_marked = any(name in attributes for name in (*_MARKS, *_OTHER_MARKS))
    return is_marked and operation.lower() not in _GATHERING


def _logged(
    span: Span, attributes: Attributes, headers: list[tuple[str, str]], memory: Memory, secret: bytes, now_us: int
) -> Logged:
    trace, span_id = _ids(span)
    controls = parse_controls([*_associated(attributes), *headers])
    path = memory.path(trace, span_id)
    place = _place(attributes)
    started_us = span.start_time_unix_nano // 1000
    if not 0 < started_us < _LAST_US:
        started_us = now_us
    said = said_by(controls, secret)
    said["session_id"] = controls.session_id or _text(attributes, "gen_ai.conversation.id", "session.id") or trace
    said["session_path"] = controls.session_path or "/" + "/".join(name.replace("/", "_") for name in path)
    said["session_name"] = controls.session_name or (path[0] if path else None)
    said["agent"] = _text(attributes, "gen_ai.agent.name")
    said["user_id"] = controls.user_id or _text(attributes, "enduser.id", "user.id", "llm.user")
    said["properties"] = {**_properties(attributes), **controls.properties}
    start = CallStart(
        request_id=str(uuid.uuid5(_SPANS, f"{trace} {span_id}")),  # the same each time the span is sent
        started_at_us=started_us,
        provider_name=place.provider_name,
        operation_name=place.operation_name,
        method="POST",
        host=place.host,
        path=place.path,
        path_model=place.path_model,
        content_type=JSON_TYPE,
        **said,
    )
    messages = _messages(span, attributes, "gen_ai.prompt", "gen_ai.input.messages", "llm.input_messages")
    answers = _messages(span, attributes, "gen_ai.completion", "gen_ai.output.messages", "llm.output_messages")
    request = orjson.dumps({"model": place.path_model, "messages": messages}) if messages or place.path_model else b""
    response = orjson.dumps({"messages": answers}) if answers else b""
    failed = span.status.code == Status.STATUS_CODE_ERROR
    error_type = _text(attributes, "error.type", "exception.type") or ("error" if failed else None)
    status = _number(attributes, "http.response.status_code", "http.status_code") or (500 if failed else 200)
    end = CallEnd(
        status=status,
        error_type=error_type,
        content_type=JSON_TYPE,
        duration_ms=max(0, (span.end_time_unix_nano - span.start_time_unix_nano) // 1_000_000)
        if span.end_time_unix_nano
        else None,
        time_to_first_token_ms=_milliseconds(attributes.get("gen_ai.server.time_to_first_token")),
        request_bytes=len(request),
        response_bytes=len(response),
        reading=asdict(_reading(attributes, answers, error_type)),
    )
    kept = without_omitted(start, end, request, response, place.operation)
    return Logged(start=start, end=end, request=kept[0], response=kept[1], warnings=controls.warnings)


def _place(attributes: Attributes) -> Place:
    model = _text(attributes, "gen_ai.request.model", "llm.model_name", "gen_ai.response.model", "llm.response.model")
    stated = _text(attributes, "gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system")
    word = (_text(attributes, "gen_ai.operation.name", "llm.request.type") or "").lower()
    operation = _OPERATIONS.get(word, word)
    provider = provider_named(stated) or (None if stated else provider_of_model(model))
    if provider is None:
        return Place(provider_name=short_name(stated) or CUSTOM, operation_name=operation, path_model=model)
    shape = Shape("anthropic" if provider.name == "anthropic" else "openai", operation)
    placed = place_at(provider, shape, operation)
    return Place(
        provider_name=placed.provider_name,
        operation_name=placed.operation_name,
        host=placed.host,
        path=placed.path,
        path_model=model,
    )


def _reading(attributes: Attributes, answers: list[Any], error_type: str | None) -> Reading:
    usage, stated = _usage(attributes)
    reasons = attributes.get("gen_ai.response.finish_reasons") or [
        reason for answer in answers if (reason := answer.get("finish_reason"))
    ]
    text = "\n".join(answer["content"] for answer in answers if isinstance(answer.get("content"), str))
    return Reading(
        response_model=_text(attributes, "gen_ai.response.model", "llm.response.model"),
        response_id=_text(attributes, "gen_ai.response.id"),
        finish_reasons=tuple(str(reason) for reason in (reasons if isinstance(reasons, list) else [reasons])),
        usage=usage,
        usage_raw=stated or None,
        text=text or None,
        error_type=error_type,
    )


def _usage(attributes: Attributes) -> tuple[Usage | None, dict[str, Any]]:
    """Tokens, and the attributes that state them. Cached tokens are part of the input; some leave them out of it."""
    named = {
        name: value
        for name, value in attributes.items()
        if name.startswith(("gen_ai.usage.", "llm.usage.", "llm.token_"))
    }

    def stated(*names: str) -> int | None:
        return _number(named, *(f"gen_ai.usage.{name}" for name in names[:-1]), f"llm.token_count.{names[-1]}")

    read = stated("cache_read.input_tokens", "cache_read_input_tokens", "prompt_details.cache_read")
    created = stated(
        "cache_write.input_tokens",
        "cache_creation.input_tokens",
        "cache_creation_input_tokens",
        "prompt_details.cache_write",
    )
    given = stated("input_tokens", "prompt_tokens", "prompt")
    output = stated("output_tokens", "completion_tokens", "completion")
    if given is None and output is None:
        return None, named
    cached = (read or 0) + (created or 0)
    return (
        Usage(
            input_tokens=given + cached if given is not None and given < cached else given,
            cache_read_input_tokens=read,
            cache_creation_input_tokens=created,
            output_tokens=output,
            reasoning_output_tokens=stated(
                "reasoning.output_tokens", "reasoning_tokens", "completion_details.reasoning"
            ),
        ),
        named,
    )


def _messages(span: Span, attributes: Attributes, indexed: str, whole: str, inferred: str) -> list[Any]:
    """Messages in whichever form they are stated, as `{"role", "content", ...}`."""
    if (value := attributes.get(whole)) is None:
        events = (attributes_of(event.attributes) for event in span.events)
        value = next((event[whole] for event in events if whole in event), None)
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            value = [{"role": "unknown", "content": value}]
    if isinstance(value, list):
        return [_joined(message) for message in value if isinstance(message, dict)]
    found: dict[int, dict[str, Any]] = {}
    for prefix in (indexed, inferred):
        for name, given in attributes.items():
            number, _, part = name.removeprefix(f"{prefix}.").partition(".")
            if name.startswith(f"{prefix}.") and number.isdecimal() and part:
                found.setdefault(int(number), {})[part.removeprefix("message.")] = given
    return [found[number] for number in sorted(found)]


def _joined(message: dict[str, Any]) -> dict[str, Any]:
    """A message whose words stand in `parts` (the current form) with its `content` beside them."""
    parts = message.get("parts")
    if "content" in message or not isinstance(parts, list):
        return message
    words = [part["content"] for part in parts if isinstance(part, dict) and isinstance(part.get("content"), str)]
    return {**message, "content": "\n".join(words)}


def _associated(attributes: Attributes) -> list[tuple[str, str]]:
    """Helicone's headers, as its own logger associates them with a span. An id of a request would be one for all."""
    return [
        (name, str(value))
        for key, value in attributes.items()
        if key.startswith(_ASSOCIATED)
        and (name := key.removeprefix(_ASSOCIATED)).lower().startswith("helicone-")
        and value is not None
    ]


def _properties(attributes: Attributes) -> dict[str, str]:
    found = {}
    for key, value in attributes.items():
        name = key.removeprefix(_ASSOCIATED).lower()
        if key.startswith(_ASSOCIATED) and not name.startswith("helicone-") and isinstance(value, str | int | float):
            found[name] = str(value)
    if service := _text(attributes, "service.name"):
        found.setdefault("service.name", service)
    return found


def _text(attributes: Attributes, *names: str) -> str | None:
    return next((value for name in names if isinstance(value := attributes.get(name), str) and value), None)


def _number(attributes: Attributes, *names: str) -> int | None:
    """The first of these that is a number of things; some exporters write numbers as text."""
    for name in names:
        value = attributes.get(name)
        if isinstance(value, str) and value.isdecimal() and len(value) < 16:
            return int(value)
        if not isinstance(value, bool) and isinstance(value, int | float) and 0 <= value < 2**53:
            return int(value)
    return None


def _milliseconds(seconds: Any) -> int | None:
    is_time = not isinstance(seconds, bool) and isinstance(seconds, int | float) and 0 <= seconds < 86_400
    return round(seconds * 1000) if is_time else None
