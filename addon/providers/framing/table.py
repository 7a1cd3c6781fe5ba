"""All framings, and which one an answer has."""

from typing import Final

from addon.providers.framing import aws_event_stream, lines, sse
from addon.providers.framing.aws_event_stream import AwsEventStreamDecoder, AwsEventStreamScanner
from addon.providers.framing.grpc import GrpcDecoder, GrpcScanner
from addon.providers.framing.json_array import JsonArrayDecoder
from addon.providers.framing.lines import LineDecoder, LineScanner
from addon.providers.framing.model import BodyEvents, Event, Framing
from addon.providers.framing.sse import SseDecoder

JSON: Final = Framing(name="JSON", content_types=("application/json",))
BINARY: Final = Framing(name="binary", content_types=())
SSE: Final = Framing(
    name="SSE", content_types=("text/event-stream",), decoder=SseDecoder, scanner=LineScanner, whole=sse.body_events
)
NDJSON: Final = Framing(
    name="NDJSON",
    # Ollama: application/x-ndjson. Cohere v1: application/stream+json. The others name the same thing.
    content_types=("application/x-ndjson", "application/ndjson", "application/stream+json", "application/jsonl"),
    decoder=LineDecoder,
    scanner=LineScanner,
    whole=lines.body_events,
)
AWS_EVENT_STREAM: Final = Framing(
    name="AWS event stream",
    content_types=("application/vnd.amazon.eventstream",),
    decoder=AwsEventStreamDecoder,
    scanner=AwsEventStreamScanner,
    whole=aws_event_stream.body_events,
)
# The two below share their content type with something else: an operation says that its answers come so.
JSON_ARRAY: Final = Framing(name="JSON array", content_types=(), decoder=JsonArrayDecoder, scanner=LineScanner)
# One JSON message a line, as capture writes a WebSocket's messages into the journal (`lines.websocket_line`).
WEBSOCKET: Final = Framing(
    name="WebSocket", content_types=(), decoder=LineDecoder, scanner=LineScanner, whole=lines.body_events
)

# A file of JSON lines, e.g. the results of a batch.
JSON_LINES: Final = Framing(
    name="JSON lines", content_types=(), decoder=LineDecoder, is_file=True, whole=lines.body_events
)
# The messages of a stream, and the one message of an answer that comes whole.
GRPC: Final = Framing(name="gRPC", content_types=(), decoder=GrpcDecoder, scanner=GrpcScanner)
GRPC_MESSAGE: Final = Framing(name="gRPC message", content_types=(), decoder=GrpcDecoder, is_file=True)

FRAMINGS: Final = (JSON, BINARY, SSE, NDJSON, JSON_LINES, AWS_EVENT_STREAM, JSON_ARRAY, WEBSOCKET, GRPC, GRPC_MESSAGE)
_BY_TYPE: Final = {kind: framing for framing in FRAMINGS for kind in framing.content_types}


def framing_of(content_type: str | None, *, otherwise: Framing = JSON) -> Framing:
    """The framing that a content type names; `otherwise` for JSON and all types that name none."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    found = _BY_TYPE.get(kind, otherwise)
    return otherwise if found is JSON else found


def events(framing: Framing, body: bytes) -> list[Event]:
    """The events of a whole body; none where the framing has no events."""
    if framing.decoder is None:
        return []
    decoder = framing.decoder()
    return [*decoder.feed(body), *decoder.end()]


def body_events(framing: Framing, body: bytes) -> BodyEvents:
    """The same, each made when it is asked for."""
    return framing.whole(body) if framing.whole else BodyEvents.of(events(framing, body))
