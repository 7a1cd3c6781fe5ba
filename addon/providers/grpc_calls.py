"""Calls over gRPC: the operations of a service, read as the same provider's JSON is read."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from addon.providers.fields import dumped, error_type
from addon.providers.framing.grpc import messages
from addon.providers.framing.model import BYTES_END
from addon.providers.framing.table import GRPC, GRPC_MESSAGE
from addon.providers.model import Asked, Event, Json, Operation, Reading
from addon.providers.protobuf import Schema, read

STATUS_HEADER: Final = "grpc-status"
# https://grpc.io/docs/guides/status-codes/
_CODES: Final = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)

ReadChunks = Callable[[Iterable[Event]], Reading]


def call(
    name: str,
    method: str,
    request: Schema,
    answer: Schema,
    read_answer: Callable[[Json], Reading],
    with_request: Callable[[Reading, Asked], Reading] | None = None,
    *,
    is_free: bool = False,
) -> Operation:
    """`method`: a regular expression of "package.Service/Method". One message asks, one answers: `read_answer` reads it as JSON."""

    def reading_of(events: Iterable[Event]) -> Reading:
        told = [_told(event, answer) for event in events]
        return read_answer(told[0]) if told else Reading()

    return _operation(name, method, request, answer, with_request, reading_of, is_free=is_free)


def stream(
    name: str,
    method: str,
    request: Schema,
    chunk: Schema,
    read_chunks: ReadChunks,
    prompt_text: Callable[[Json], str] | None,
    with_request: Callable[[Reading, Asked], Reading] | None = None,
) -> Operation:
    """One message asks, many answer: `read_chunks` reads them as events with JSON. `prompt_text`: of the request as JSON."""

    def reading_of(events: Iterable[Event]) -> Reading:
        return read_chunks([Event(event=None, data=dumped(_told(event, chunk))) for event in events])

    plain = _operation(name, method, request, chunk, with_request, reading_of)
    return replace(plain, json_framing=GRPC, terminal=BYTES_END, prompt_text=prompt_text)


def _operation(
    name: str,
    method: str,
    request: Schema,
    answer: Schema,
    with_request: Callable[[Reading, Asked], Reading] | None,
    reading_of: ReadChunks,
    *,
    is_free: bool = False,
) -> Operation:
    def completed(reading: Reading, asked: Asked) -> Reading:
        reading = _with_status(reading, asked)
        return with_request(reading, asked) if with_request else reading

    return Operation(
        name=name,
        path=f"/{method}",
        json_framing=GRPC_MESSAGE,
        is_free=is_free,
        read_json=_read_refusal,
        read_stream=reading_of,
        with_request=completed,
        answer_headers=(STATUS_HEADER,),
        read_event=lambda event: _told(event, answer),
        read_request=lambda body: next((read(message, request) for message in messages(body)), None),
    )


def _told(event: Event, schema: Schema) -> Json:
    return read(event.data.encode("latin-1", "replace"), schema)  # of another framing it may be any text


def _with_status(reading: Reading, asked: Asked) -> Reading:
    """The status is a header after the answer, or the only one where there is no answer."""
    code = asked.answer_headers.get(STATUS_HEADER, "0")
    if code == "0" or reading.error_type:
        return reading
    known = code.isascii() and code.isdigit() and int(code) < len(_CODES)
    return replace(reading, error_type=_CODES[int(code)] if known else f"grpc_{code}")


def _read_refusal(body: Json) -> Reading:
    """JSON in place of messages: an error of a server before the one that was called, or of this proxy."""
    return Reading(error_type=error_type(body))
