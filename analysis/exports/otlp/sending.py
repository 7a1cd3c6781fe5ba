"""Posts spans to an OTLP endpoint. https://opentelemetry.io/docs/specs/otlp/#otlphttp"""

import gzip
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from analysis.exports.otlp.spans import export_request
from analysis.posting import Answer, post

# Receivers refuse more at a time: of the OpenTelemetry Collector 20 MiB, of others 4.
MOST_POSTED_BYTES: Final = 4 * 2**20
_TRY_AGAIN: Final = frozenset({429, 502, 503, 504})  # all other errors must not be tried again
_LONGEST_WAIT_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """`error`: why the spans, or some of them, were not taken. `wait_s`: how long the endpoint asks to wait."""

    error: str | None = None
    try_again: bool = False
    wait_s: float | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    url: str  # that of traces
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def send(self, spans: Iterable[Span]) -> Outcome:
        """Posts all of them, in several requests where they are long. The first failure that may pass ends it."""
        refused: Outcome | None = None
        for some in _pieces(spans):
            outcome = self._post(some)
            if outcome.try_again:
                return outcome
            refused = outcome if outcome.error else refused
        return refused or Outcome()

    def _post(self, spans: Sequence[Span]) -> Outcome:
        body = gzip.compress(export_request(spans).SerializeToString(), compresslevel=5, mtime=0)
        headers = {"content-type": "application/x-protobuf", "content-encoding": "gzip", "user-agent": "heliograph"}
        return outcome_of(post(self.url, body, {**headers, **self.headers}))


def outcome_of(answer: Answer | str) -> Outcome:
    """What an answer means; a text is why there was none. Pure."""
    if isinstance(answer, str):
        return Outcome(answer, try_again=True)
    if answer.is_success:
        return Outcome(_rejected(answer))
    if answer.status not in _TRY_AGAIN:
        return Outcome(f"HTTP {answer.status}")
    wait = {name.lower(): value for name, value in answer.headers.items()}.get("retry-after", "")
    wait_s = min(float(wait), _LONGEST_WAIT_S) if wait.isdecimal() else None
    return Outcome(f"HTTP {answer.status}", try_again=True, wait_s=wait_s)


def _rejected(answer: Answer) -> str | None:
    """Of a partial success, how many spans were not taken."""
    if "json" in str(answer.headers.get("content-type", "")):
        return None
    try:
        partial = ExportTraceServiceResponse.FromString(answer.body).partial_success
    except DecodeError:  # what takes everything says nothing, or some words
        return None
    if not partial.rejected_spans:
        return None
    return f"{partial.rejected_spans:,} spans were rejected: {partial.error_message[:200]!r}"


def _pieces(spans: Iterable[Span]) -> Iterator[list[Span]]:
    some: list[Span] = []
    size = 0
    for span in spans:
        length = span.ByteSize()
        if some and size + length > MOST_POSTED_BYTES:
            yield some
            some, size = [], 0
        some.append(span)
        size += length
    if some:
        yield some
