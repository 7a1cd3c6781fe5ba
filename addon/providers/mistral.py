"""Mistral. https://docs.mistral.ai/api; fields as in mistralai 3.7, client/models."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Final

from addon.providers import mistral_realtime, openai_batches, openai_usage
from addon.providers.fields import amount, at, count, dumped, error_type, items, json_of, prompt_of, string, words
from addon.providers.framing.table import WEBSOCKET
from addon.providers.model import Asked, Event, Json, Operation, Provider, Reading, Terminal, Usage
from addon.providers.openai_shaped import chat_prompt, completion_prompt, operations, read_any
from addon.providers.polled import found_done

# Their own terminal events; chat ends with `data: [DONE]` as OpenAI's does.
CONVERSATION_END: Final = Terminal(
    line_start=rb"event: ?conversation\.response\.(?:done|error)",
    anywhere=rb'"type"\s*:\s*"conversation\.response\.(?:done|error)"',
)
TRANSCRIPTION_END: Final = Terminal(
    line_start=rb"event: ?transcription\.done", anywhere=rb'"type"\s*:\s*"transcription\.done"'
)
SPEECH_END: Final = Terminal(
    line_start=rb"event: ?speech\.audio\.done", anywhere=rb'"type"\s*:\s*"speech\.audio\.done"'
)
# conversations: `connectors` counts the uses of each tool.
_CONNECTORS: Final = {"web_search": "web_searches", "code_interpreter": "code_executions", "image_generation": "images"}
_ANNOTATIONS: Final = ("bbox_annotation_format", "document_annotation_format")


def usage(raw: Json) -> Usage | None:
    """As OpenAI counts; the tokens that connectors brought in are beside the prompt, and are input.

    https://docs.mistral.ai/agents/tools/built-in/websearch: 188 + 55 + 7112 connector tokens of 7355.
    """
    stated = openai_usage.usage(raw)
    if stated is None:
        return None
    cached = stated.cache_read_input_tokens
    if cached is None:
        cached = count(at(raw, "prompt_token_details", "cached_tokens"))
    if cached is None:
        cached = count(at(raw, "num_cached_tokens"))
    brought = count(at(raw, "connector_tokens")) or 0
    total = None if stated.input_tokens is None else stated.input_tokens + brought
    return replace(stated, input_tokens=total, cache_read_input_tokens=cached)


def beside_tokens(reading: Reading) -> Reading:
    """Seconds of sound and uses of connectors, and the tier that served: both are in the usage."""
    raw = reading.usage_raw
    units = dict(reading.units)
    if seconds := amount(at(raw, "prompt_audio_seconds")):
        units["audio_seconds"] = seconds
    connectors = at(raw, "connectors")
    for name, value in connectors.items() if isinstance(connectors, dict) else ():
        if number := count(value):
            unit = _CONNECTORS.get(str(name), str(name))
            units[unit] = (units.get(unit) or Decimal(0)) + number
    tier = string(at(raw, "service_tier"))
    factors = reading.price_factors | ({"service_tier": tier} if tier else {})
    return replace(reading, units=units, price_factors=factors)


def read_conversation(body: Json) -> Reading:
    """`{"conversation_id", "outputs": [...], "usage"}`; the outputs name their model."""
    outputs = items(at(body, "outputs"))
    return _conversation(
        conversation=string(at(body, "conversation_id")),
        model=next((name for output in outputs if (name := string(at(output, "model")))), None),
        raw=at(body, "usage"),
        said=[words(at(output, "content")) for output in outputs],
        other=[string(at(output, "arguments")) or "" for output in outputs],
        failure=error_type(body),
    )


def read_conversation_stream(events: Iterable[Event]) -> Reading:
    """`conversation.response.started`, outputs in deltas, `conversation.response.done` with the usage."""
    conversation = model = failure = None
    raw: Json = None
    said: list[str] = []
    other: list[str] = []
    for event in events:
        data = json_of(event)
        conversation = string(at(data, "conversation_id")) or conversation
        model = string(at(data, "model")) or model
        raw = at(data, "usage") or raw
        content = at(data, "content")
        said.append(string(content) or string(at(content, "text")) or "")
        other += [string(at(data, "arguments")) or "", words(at(content, "thinking"))]
        if (string(at(data, "type")) or event.event) == "conversation.response.error":
            code = at(data, "code")
            failure = str(code) if code else "error"
    return _conversation(conversation, model, raw, said, other, failure)


def conversation_prompt(request: Json) -> str:
    given = at(request, "inputs")
    parts = [given if isinstance(given, str) else "", string(at(request, "instructions")) or ""]
    parts += [words(at(item, "content")) for item in items(given)]
    return prompt_of(parts, at(request, "tools"))


def read_ocr(body: Json) -> Reading:
    """Priced by page. https://docs.mistral.ai/api/endpoint/ocr"""
    raw = at(body, "usage_info")
    pages = count(at(raw, "pages_processed"))
    return Reading(
        response_model=string(at(body, "model")),
        usage_raw=raw,
        units={} if pages is None else {"input_document_pages": Decimal(pages)},
        text="\n".join(string(at(page, "markdown")) or "" for page in items(at(body, "pages"))) or None,
        error_type=error_type(body),
    )


def annotated(reading: Reading, asked: Asked) -> Reading:
    """A page that is annotated has its own price: https://mistral.ai/pricing#api-pricing"""
    pages = reading.units.get("input_document_pages")
    if pages is None or not any(at(asked.body, key) for key in _ANNOTATIONS):
        return reading
    return replace(reading, units=reading.units | {"input_annotated_document_pages": pages})


def read_transcription(body: Json) -> Reading:
    return _spoken(body, string(at(body, "text")), error_type(body))


def read_transcription_stream(events: Iterable[Event]) -> Reading:
    """Text in deltas, `transcription.done` with the usage."""
    done: Json = None
    said: list[str] = []
    failure: str | None = None
    for event in events:
        data = json_of(event)
        if (string(at(data, "type")) or event.event) == "transcription.done":
            done = data
        elif text := string(at(data, "text")):
            said.append(text)
        if at(data, "error"):
            failure = error_type(data) or "error"
    return _spoken(done, "".join(said) or string(at(done, "text")), failure)


def read_speech(body: Json) -> Reading:
    return beside_tokens(Reading(usage_raw=at(body, "usage"), error_type=error_type(body)))


def read_speech_stream(events: Iterable[Event]) -> Reading:
    raw: Json = None
    for event in events:
        raw = at(json_of(event), "usage") or raw
    return Reading(usage_raw=raw)


def characters_spoken(reading: Reading, asked: Asked) -> Reading:
    """Speech is priced by the characters of the request. https://docs.mistral.ai/models/voxtral-tts-26-03"""
    text = string(at(asked.body, "input"))
    return replace(reading, units={"input_characters": Decimal(len(text))}) if text else reading


def region(host: str, _path: str) -> str | None:
    """`api.eu.mistral.ai`. https://docs.mistral.ai/inference/regional-inference"""
    return {"api.eu.mistral.ai": "eu", "api.us.mistral.ai": "us"}.get(host.lower())


def _conversation(
    conversation: str | None, model: str | None, raw: Json, said: list[str], other: list[str], failure: str | None
) -> Reading:
    return beside_tokens(
        Reading(
            response_model=model,
            response_id=conversation,
            usage=usage(raw),
            usage_raw=raw,
            text="".join(said) or None,
            other_output="".join(other) or None,
            error_type=failure,
        )
    )


def _spoken(body: Json, text: str | None, failure: str | None) -> Reading:
    raw = at(body, "usage")
    return beside_tokens(
        Reading(
            response_model=string(at(body, "model")), usage=usage(raw), usage_raw=raw, text=text, error_type=failure
        )
    )


def with_beside_tokens(operation: Operation) -> Operation:
    """An OpenAI-shaped operation whose usage says what is priced beside the tokens."""
    read_json, read_stream = operation.read_json, operation.read_stream
    return replace(
        operation,
        read_json=read_json and (lambda body: beside_tokens(read_json(body))),
        read_stream=read_stream and (lambda events: beside_tokens(read_stream(events))),
    )


def chat_at(path: str, prompt: Callable[[Json], str] = chat_prompt) -> Operation:
    """A chat completion at another path. It states the usage of every stream, and refuses `include_usage` with 422:

    https://github.com/openai/openai-agents-python/issues/442
    """
    (shaped,) = operations("", "chat", read_usage=usage, asks_usage=False)
    return with_beside_tokens(replace(shaped, path=path, prompt_text=prompt))


def read_batched(body: Json) -> Reading:
    """An answer in a batch: of a chat, of embeddings, or of OCR."""
    return read_ocr(body) if at(body, "usage_info") else beside_tokens(read_any(body, usage))


def read_batch_job(body: Json) -> Reading:
    """A batch that is looked at. With `?inline=true` its answers are in it, as lines of the file of results would have them.
    mistralai 3.7, client/jobs.py and models/batchjob.py"""
    name, file = string(at(body, "id")), string(at(body, "output_file"))
    lines = [Event(event=None, data=dumped(output)) for output in items(at(body, "outputs"))]
    reading = openai_batches.read_lines(lines, read_batched) if lines else openai_batches.NOT_A_BATCH
    reading = replace(reading, response_id=name, error_type=error_type(body))
    # The same answers may be downloaded as a file, too.
    return (
        found_done(reading, f"file /v1/files/{file}/content" if file else f"batch {name}")
        if reading.usage_raw
        else reading
    )


_V1: Final = "/v1"
OCR: Final = Operation(name="ocr", path=f"{_V1}/ocr/?", read_json=read_ocr, with_request=annotated)
PROVIDER = Provider(
    name="mistral",
    origin="https://api.mistral.ai",
    hosts=("api.mistral.ai", "api.eu.mistral.ai", "api.us.mistral.ai", "codestral.mistral.ai"),
    labels=("mistral",),
    operations=(
        chat_at(f"{_V1}/(?:chat|agents)/completions/?"),
        replace(chat_at(f"{_V1}/fim/completions/?", completion_prompt), name="text_completion"),
        *map(with_beside_tokens, operations(_V1, "embeddings", "responses", read_usage=usage)),
        *operations(_V1, "count_tokens"),
        replace(chat_at(f"{_V1}/(?:chat/)?classifications/?"), name="classify", read_stream=None, terminal=None),
        Operation(
            name="conversations",
            path=f"{_V1}/conversations(?:/[^/]+(?:/restart)?)?/?",
            terminal=CONVERSATION_END,
            read_json=read_conversation,
            read_stream=read_conversation_stream,
            prompt_text=conversation_prompt,
        ),
        OCR,
        Operation(
            name="transcription",
            path=f"{_V1}/audio/transcriptions/?",
            terminal=TRANSCRIPTION_END,
            read_json=read_transcription,
            read_stream=read_transcription_stream,
        ),
        Operation(
            name="transcription",
            path=f"{_V1}/audio/transcriptions/realtime/?",
            method="GET",
            json_framing=WEBSOCKET,
            socket=mistral_realtime.SESSION,
            read_json=read_transcription,
            read_stream=read_transcription_stream,
            source="mistralai 3.7, extra/realtime/transcription.py",
        ),
        Operation(
            name="speech",
            path=f"{_V1}/audio/speech/?",
            terminal=SPEECH_END,
            read_json=read_speech,
            read_stream=read_speech_stream,
            with_request=characters_spoken,
        ),
        openai_batches.results(f"{_V1}/files/[^/]+/content", read_batched),
        Operation(name="batch_results", method="GET", path=f"{_V1}/batch/jobs/[^/]+", read_json=read_batch_job),
        # mistral-moderation-2603 is free: https://docs.mistral.ai/models/model-cards/mistral-moderation-26-03
        Operation(name="moderation", path=f"{_V1}/(?:chat/)?moderations/?", is_free=True),
    ),
    prices="mistral",
    region=region,
    # Paid by a monthly subscription: https://docs.mistral.ai/capabilities/code_generation
    plan_hosts=frozenset({"codestral.mistral.ai"}),
    source="https://docs.mistral.ai/api",
)
