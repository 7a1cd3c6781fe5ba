"""Bedrock's InvokeModel: the body is the model's own, a shape for each family, told by its keys.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html. A stream has the model's own events inside its
frames; the last one carries `amazon-bedrock-invocationMetrics`, whoever made the model.
"""

from binascii import a2b_base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

from addon.providers import anthropic, bedrock_converse, openai_shaped, openai_usage
from addon.providers.fields import at, count, items, json_of, string, words
from addon.providers.framing.aws_event_stream import inner_payload
from addon.providers.framing.model import BodyEvents
from addon.providers.model import Event, Json, Reading, Usage
from addon.providers.pieces import Pieces

METRICS: Final = "amazon-bedrock-invocationMetrics"
_WRAPPER: Final = b'{"bytes":"'
_ACTION: Final = "amazon-bedrock-guardrailAction"
# Where a body states its tokens, family by family: (input, output).
_COUNTS: Final = (
    ("prompt_token_count", "generation_token_count"),  # Meta Llama
    ("inputTextTokenCount", "totalOutputTextTokenCount"),  # Amazon Titan, streamed
)
_CONVERSE_EVENTS: Final = (
    *("messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"),
)


def read_json(body: Json) -> Reading:
    """The answer of any family."""
    return _read([body], [])


def read_stream(events: Iterable[Event]) -> Reading:
    """The model's own events inside the frames; an exception is a frame of its own."""
    inner, failure = _inner_events(BodyEvents.of(events))
    first = next(iter(inner), None)
    if first is not None and at(json_of(first), "type") == "message_start":
        reading = anthropic.read_stream(inner)
        reading = _completed(reading, [json_of(event) for event in inner.distinct()])
    else:
        reading = _read(_chunks(inner), inner)
    return replace(reading, error_type=failure) if failure else reading


def _inner_events(frames: BodyEvents) -> tuple[BodyEvents, str | None]:
    """The model's own events, and the name of an exception among them."""
    blocks, others = list[bytes](), dict[int, Event]()
    failure: str | None = None
    begin: bytes | None = None  # headers and first bytes of a frame with an event in base64
    for place, block in enumerate(frames.blocks):
        if begin is not None and block.startswith(begin) and (told := _unwrapped(block, len(begin))) is not None:
            blocks.append(told)
            continue
        event = frames.at(place)
        if event is None:
            continue
        if event.event != "chunk" and bedrock_converse.is_failure(event.event):
            failure = event.event
            continue
        payload = event.data.encode("utf-8", "surrogatepass")
        if (told := inner_payload(payload)) is None:
            others[len(blocks)] = event
        elif payload.startswith(_WRAPPER) and block.endswith(payload):
            begin = block[: len(block) - len(payload)] + _WRAPPER
        blocks.append(payload if told is None else told)

    def event_of(place: int) -> Event:
        return others.get(place) or Event(None, blocks[place].decode("utf-8", "replace"))

    return BodyEvents(blocks, event_of), failure


def _chunks(inner: BodyEvents) -> list[Json]:
    """The events, parsed. Those that repeat one before them but for their words and a count are one chunk."""
    chunks: list[Json] = []
    pieces = Pieces(inner)
    for event in pieces:
        chunks.append(chunk := json_of(event))
        if not isinstance(chunk, dict) or not chunk.keys() <= _ORDINARY or any(chunk.get(name) for name in _REASONS):
            continue
        words = [name for name in _WORDS if string(chunk.get(name))]
        counted = [name for name in _STATED if type(chunk.get(name)) is int]
        if len(words) == 1:
            number = counted[-1] if counted else ""
            more = pieces.repeated(event, words[0], chunk[words[0]], number=number)
            if more:
                chunks.append({**chunk, words[0]: "".join(more)} | ({number: pieces.number} if number else {}))
    return chunks


def _unwrapped(frame: bytes, start: int) -> bytes | None:
    """What is in base64 from there to the next quote; None for all that is not plain base64."""
    end = frame.find(b'"', start)
    try:
        return a2b_base64(frame[start:end], strict_mode=True) if end >= 0 else None
    except ValueError:
        return None


def metrics_usage(raw: Json) -> Usage | None:
    """`invocationMetrics`: cached tokens are beside the input, as Anthropic counts."""
    uncached, output = count(at(raw, "inputTokenCount")), count(at(raw, "outputTokenCount"))
    read, written = count(at(raw, "cacheReadInputTokenCount")), count(at(raw, "cacheWriteInputTokenCount"))
    if uncached is None and output is None:
        return None
    return Usage(
        input_tokens=None if uncached is None else uncached + (read or 0) + (written or 0),
        cache_read_input_tokens=read,
        cache_creation_input_tokens=written,
        output_tokens=output,
    )


def prompt(request: Json) -> str:
    """The words of a request of any family."""
    if at(request, "messages") is not None and at(request, "anthropic_version") is None and _is_converse(request):
        return bedrock_converse.prompt(request)
    if at(request, "messages") is not None:
        return anthropic.prompt(request)
    parts = [words(at(request, key)) for key in ("prompt", "inputText", "message", "texts")]
    parts += [words(at(turn, "message")) for turn in items(at(request, "chat_history"))]
    return "\n".join(part for part in parts if part)


def _is_converse(request: Json) -> bool:
    """Nova's messages have content blocks without a type."""
    return at(request, "messages", 0, "content", 0, "text") is not None and (
        at(request, "messages", 0, "content", 0, "type") is None
    )


def _read(chunks: list[Json], events: Iterable[Event]) -> Reading:
    """`events`: the same in text, of a stream."""
    return _completed(_of_family(chunks, events), chunks)


def _completed(reading: Reading, chunks: list[Json]) -> Reading:
    reading = with_guardrail(reading, chunks)
    if reading.usage is not None and reading.usage.input_tokens is not None and reading.usage.output_tokens is not None:
        return reading  # it may tell more than the metrics do: cache writes for an hour
    metrics = next((found for chunk in reversed(chunks) if (found := at(chunk, METRICS)) is not None), None)
    return reading if metrics is None else replace(reading, usage=metrics_usage(metrics), usage_raw=metrics)


def with_guardrail(reading: Reading, chunks: Sequence[Json]) -> Reading:
    """A guardrail may be asked for by a header. The answer then says what it did, and with a trace what it looked at.

    https://docs.aws.amazon.com/bedrock/latest/userguide/guardrails-input-tagging-base-inference.html
    """
    guarded = next((chunk for chunk in chunks if isinstance(chunk, dict) and chunk.get(_ACTION) is not None), None)
    if guarded is None:
        return reading
    units = bedrock_converse.guardrail_units(at(guarded, "amazon-bedrock-trace", "guardrail"))
    return replace(reading, units=reading.units | (units or {"guardrail_text_units": None}))


def _of_family(chunks: list[Json], events: Iterable[Event]) -> Reading:
    members = set[str]().union(*(chunk for chunk in chunks if isinstance(chunk, dict)))
    if "type" in members and any(
        at(chunk, "type") in ("message", "message_start", "error", "completion") for chunk in chunks
    ):
        whole = len(chunks) == 1 and at(chunks[0], "type") != "message_start"
        return anthropic.read_json(chunks[0]) if whole else anthropic.read_stream(events)
    if "choices" in members and any(at(chunk, "choices", 0) is not None and _is_openai(chunk) for chunk in chunks):
        return _read_openai(chunks, events)
    if not members.isdisjoint(("output", *_CONVERSE_EVENTS)) and any(map(_is_converse_chunk, chunks)):
        return _read_converse(chunks)
    answer = _Answer()
    for chunk in chunks:
        answer.add(chunk)
    return answer.reading()


def _read_openai(chunks: list[Json], events: Iterable[Event]) -> Reading:
    if len(chunks) == 1 and at(chunks[0], "choices", 0, "delta") is None:
        reading = openai_shaped.read_json(chunks[0])
    else:
        reading = openai_shaped.read_stream(events)
    return replace(
        reading, usage=openai_usage.usage(reading.usage_raw), units=openai_usage.token_parts(reading.usage_raw)
    )


def _is_openai(chunk: Json) -> bool:
    """Mistral Large and DeepSeek have choices as well, with a `stop_reason` alone."""
    choice = at(chunk, "choices", 0)
    return isinstance(choice, dict) and not choice.keys().isdisjoint(("finish_reason", "delta", "logprobs"))


def _is_converse_chunk(chunk: Json) -> bool:
    return at(chunk, "output", "message") is not None or _converse_event(chunk) is not None


def _converse_event(chunk: Json) -> str | None:
    return next((name for name in _CONVERSE_EVENTS if at(chunk, name) is not None), None)


def _read_converse(chunks: list[Json]) -> Reading:
    """Amazon Nova: a ConverseResponse, or the events of ConverseStream as `{"name": {...}}`."""
    answer = bedrock_converse.Answer()
    for chunk in chunks:
        answer.add_message(at(chunk, "output", "message"))
        if at(chunk, "output", "message") is not None:
            answer.add_end(chunk)
        if name := _converse_event(chunk):
            answer.add(name, at(chunk, name))
    return answer.reading()


# Lists of answers: Titan, Mistral, Cohere Command, AI21 Jurassic, Mistral Large and DeepSeek.
_RESULTS: Final = ("results", "outputs", "generations", "completions", "choices")
_IDS: Final = ("id", "generation_id", "response_id")
_IMAGES: Final = frozenset({"images", "artifacts", "finish_reasons"})
_STATED: Final = tuple(name for pair in _COUNTS for name in pair)
_REASONS: Final = ("stop_reason", "finish_reason", "completionReason", "finishReason")
_WORDS: Final = ("generation", "outputText", "text", "completion")
_ORDINARY: Final = frozenset({*_WORDS, *_STATED, *_REASONS, "index"})


@dataclass(slots=True)
class _Answer:
    """Gathers the answer of a family with a shape of its own: Titan, Llama, Mistral, DeepSeek, Cohere, AI21, images,
    embeddings."""

    said: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    response_id: str | None = None
    model: str | None = None
    stated: dict[str, int] = field(default_factory=dict)  # counts by their names
    of_openai: Json = None  # the usage in OpenAI's words: Pixtral Large, with a `stop_reason`
    tokens_out: int | None = None  # Titan, not streamed: of each result
    units: dict[str, Decimal | None] = field(default_factory=dict)
    failure: str | None = None

    def add(self, chunk: Json) -> None:
        if not isinstance(chunk, dict):
            return
        members = chunk.keys()
        if "model" in chunk:
            self.model = string(chunk["model"]) or self.model
        if not members.isdisjoint(_IDS):
            self.response_id = self._id(chunk) or self.response_id
        if not members.isdisjoint(_STATED):
            self._count(chunk)
        if "usage" in chunk:
            self.of_openai = chunk["usage"] or self.of_openai
        self._say(chunk)
        if not members.isdisjoint(_RESULTS):
            for name in _RESULTS:
                for result in items(chunk.get(name)):
                    self._add_result(result)
        if not _IMAGES.isdisjoint(chunk):
            self._add_images(chunk)
        if "error" in chunk and not (self.said or self.stated or self.reasons):
            self.failure = string(chunk["error"]) or self.failure  # of Nova Canvas and Titan Image

    def _id(self, chunk: dict[str, Json]) -> str | None:
        return next((text for name in _IDS if (text := string(chunk.get(name)))), None)

    def _count(self, chunk: dict[str, Json]) -> None:
        """Llama and Titan state running totals in a stream: the last one counts."""
        for name in _STATED:
            if name in chunk and (number := count(chunk[name])) is not None:
                self.stated[name] = number

    def _say(self, chunk: dict[str, Json]) -> None:
        """What a chunk says by itself: Llama, Titan streamed, Cohere Command R, Claude 2."""
        # The last event of Cohere has the whole text once more. A `message` is Pegasus's, or else an error's.
        if "event_type" not in chunk or chunk["event_type"] != "stream-end":
            for name in _WORDS:
                if name in chunk and (text := string(chunk[name])):
                    self.said.append(text)
            if "finishReason" in chunk and chunk["finishReason"] and (text := string(chunk.get("message"))):
                self.said.append(text)
        self._end(chunk)

    def _add_result(self, result: Json) -> None:
        text = (
            string(at(result, "outputText"))
            or string(at(result, "text"))
            or string(at(result, "data", "text"))
            or words(at(result, "message", "content"))
        )
        self.said.append(text)
        if (number := count(at(result, "tokenCount"))) is not None:
            self.tokens_out = (self.tokens_out or 0) + number
        self._end(result)

    def _end(self, told: Json) -> None:
        if not isinstance(told, dict):
            return
        for name in _REASONS:
            if name in told and (reason := told[name]):
                if text := string(reason) or string(at(reason, "reason")):
                    self.reasons.append(text)
                return

    def _add_images(self, chunk: dict[str, Json]) -> None:
        """Images that were made; one that was filtered is an empty string or missing."""
        images = sum(isinstance(image, str) and bool(image) for image in items(at(chunk, "images")))
        images += sum(bool(string(at(artifact, "base64"))) for artifact in items(at(chunk, "artifacts")))
        if images:
            self.units["images"] = (self.units.get("images") or Decimal(0)) + images
        for told in items(at(chunk, "finish_reasons")) + [
            at(art, "finishReason") for art in items(at(chunk, "artifacts"))
        ]:
            if reason := string(told):
                self.reasons.append(reason)

    def reading(self) -> Reading:
        text = "".join(self.said)
        usage, raw = self._usage()
        return Reading(
            response_model=self.model,
            response_id=self.response_id,
            finish_reasons=tuple(self.reasons),
            usage=usage,
            usage_raw=raw,
            units=self.units,
            text=text or None,
            error_type=self.failure,
        )

    def _usage(self) -> tuple[Usage | None, Json]:
        """Embeddings of Titan state their input alone, and have no output."""
        if told := openai_usage.usage(self.of_openai):
            return told, self.of_openai
        pairs = ((self.stated.get(read), self.stated.get(written)) for read, written in _COUNTS)
        given, out = next((pair for pair in pairs if pair != (None, None)), (None, None))
        out = self.tokens_out if out is None else out
        if given is None and out is None:
            return None, None
        raw: dict[str, int] = dict(self.stated)
        return Usage(input_tokens=given, output_tokens=out), raw if self.tokens_out is None else raw | {
            "tokenCount": self.tokens_out
        }
