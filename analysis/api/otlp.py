"""Traces by OTLP over HTTP, as JSON or protobuf: the standard path and Helicone's two.

https://opentelemetry.io/docs/specs/otlp/#otlphttp. What can be decoded is taken; spans that are not calls make no row.
"""

import base64
import binascii
import time
from typing import Any, Final

from google.protobuf.descriptor import Descriptor
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from addon.intake.logged import write
from addon.intake.spans import Memory, read_traces
from addon.providers.fields import parse
from analysis.api.bodies import check_json, check_protobuf
from analysis.api.envelope import ApiError
from analysis.api.openapi import documented
from analysis.api.state import Api

MOST_BYTES: Final = 32 * 2**20  # decoded; exporters gather hundreds of spans with whole conversations
PROTOBUF: Final = "application/x-protobuf"
_IDS: Final = ("traceId", "spanId", "parentSpanId")


def _optional(schema: dict[str, Any]) -> dict[str, Any]:
    """In the JSON of protobuf, null means that a field is not set: https://protobuf.dev/programming-guides/json/."""
    return {**schema, "type": [schema["type"], "null"]}


def _message(**fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {name: _optional(schema) for name, schema in fields.items()}}


def _repeated(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


_SCOPE_SPANS: Final = _message(scope=_message(), spans=_repeated(_message(attributes=_repeated(_message()))))
_RESOURCE: Final = _message(attributes=_repeated(_message()))
_DOCUMENTED: Final = _message(resourceSpans=_repeated(_message(resource=_RESOURCE, scopeSpans=_repeated(_SCOPE_SPANS))))


def routes(api: Api) -> list[Route]:
    memory = Memory()

    async def export(request: Request) -> Response:
        content_type = request.headers.get("content-type", "")
        is_protobuf = PROTOBUF in content_type or (
            request.url.path.endswith("/log-python") and "json" not in content_type
        )
        headers = request.headers.items()
        await api.long_bodies.read(
            request, MOST_BYTES, lambda body: take(decode(body) if is_protobuf else decode_json(body), headers)
        )
        if is_protobuf:
            return Response(ExportTraceServiceResponse().SerializeToString(), media_type=PROTOBUF)
        return Response(b"{}", media_type="application/json")

    def take(traces: TracesData, headers: list[tuple[str, str]]) -> None:
        now_us = time.time_ns() // 1000
        for call in read_traces(traces, headers, memory=memory, secret=api.secret, now_us=now_us):
            write(api.journal, call, api.settings.max_body_bytes)

    answers = {
        "responses": {
            "200": {"description": "Taken"},
            "400": {"description": "Not OTLP"},
            "413": {"description": "Too long, nested too deep, or too many spans"},
        }
    }
    about: dict[str, Any] = {"summary": "Take OpenTelemetry traces", "body": _DOCUMENTED, "replaced": answers}
    return [
        documented("/v1/traces", export, **about),
        documented("/v1/trace/log", export, **about),
        documented("/v1/trace/log-python", export, **about),
    ]


def decode(body: bytes) -> TracesData:
    """Raises ApiError 400 or 413."""
    check_protobuf(body, TracesData.DESCRIPTOR)
    try:
        traces: TracesData = TracesData.FromString(body)
    except DecodeError as error:
        raise ApiError(400, f"the body is not OTLP protobuf: {error}") from error
    return traces


def decode_json(body: bytes) -> TracesData:
    """OTLP's JSON is protobuf's, but for ids in hex. Raises ApiError 400 or 413."""
    check_json(body)
    given = parse(body, most_values=None)
    if not isinstance(given, dict):
        raise ApiError(400, "the body is not OTLP JSON: write an object with resourceSpans")
    try:
        _check_objects(given, TracesData.DESCRIPTOR)
        traces: TracesData = ParseDict(_with_base64_ids(given), TracesData(), ignore_unknown_fields=True)
    except (ParseError, binascii.Error, ValueError, RecursionError) as error:
        raise ApiError(400, f"the body is not OTLP JSON: {str(error)[:200]}") from error
    return traces


def _check_objects(value: Any, message: Descriptor) -> None:
    """Raises ParseError where a message is not an object: ParseDict takes a text for an object with unknown fields."""
    if not isinstance(value, dict):
        raise ParseError(f"{message.name} is not an object")
    for field in message.fields:
        item = value.get(field.json_name, value.get(field.name))
        if field.message_type and item is not None:
            for one in item if field.is_repeated and isinstance(item, list) else [item]:
                _check_objects(one, field.message_type)


def _with_base64_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_base64_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: base64.b64encode(bytes.fromhex(item)).decode()
        if name in _IDS and isinstance(item, str)
        else _with_base64_ids(item)
        for name, item in value.items()
    }
