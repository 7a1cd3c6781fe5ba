"""xAI. https://docs.x.ai/docs/api-reference"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from addon.providers import anthropic_shaped, media, openai_shaped, openai_usage, xai_batches, xai_grpc
from addon.providers.fields import amount, at, count, error_type, items, one_request, string
from addon.providers.model import Asked, Json, Operation, Provider, Reading, Usage
from addon.providers.openai_realtime import realtime, responses_over_socket
from addon.providers.polled import found_done, under_way

# usage.server_side_tool_usage_details: https://docs.x.ai/docs/guides/tools/overview. MCP calls cost their tokens only.
_TOOLS: Final = {
    "web_search_calls": "web_searches",
    "x_search_calls": "social_searches",
    "code_interpreter_calls": "code_executions",
    "file_search_calls": "storage_searches",
    "document_search_calls": "attachment_searches",
}


def usage(raw: Json) -> Usage | None:
    """Chat completions count reasoning outside `completion_tokens`, responses inside `output_tokens`.

    https://docs.x.ai/docs/guides/reasoning; genai-prices reads both so.
    """
    stated = openai_usage.usage(raw)
    reasoning = stated and stated.reasoning_output_tokens
    # With a total, openai_usage.usage has found out by itself.
    if stated and reasoning and count(at(raw, "completion_tokens")) is not None and at(raw, "total_tokens") is None:
        return replace(stated, output_tokens=(stated.output_tokens or 0) + reasoning)
    return stated


def complete(reading: Reading, chunks: Sequence[Json]) -> Reading:
    """The stated cost: a tick is 1e-10 USD (xai_sdk/cost.py). Else the fees of searches and tools."""
    raw = reading.usage_raw
    ticks = count(at(raw, "cost_in_usd_ticks"))
    if ticks is not None:
        return replace(reading, stated_cost_usd=Decimal(ticks).scaleb(-10))
    if raw is None and any(string(at(chunk, "request_id")) for chunk in chunks):
        return under_way(reading)  # accepted to be done later
    return replace(reading, units=reading.units | _fees(raw))


def read_batched(body: Json) -> Reading:
    """An answer in a batch: of a chat or a response."""
    return complete(openai_shaped.read_any(body, usage), [body])


def _fees(raw: Json) -> dict[str, Decimal | None]:
    fees: dict[str, Decimal | None] = {}
    if sources := count(at(raw, "num_sources_used")):
        fees["search_sources"] = Decimal(sources)
    details = at(raw, "server_side_tool_usage_details")
    for key, unit in _TOOLS.items():
        if used := count(at(details, key)):
            fees[unit] = (fees.get(unit) or Decimal(0)) + used
    if count(at(raw, "num_server_side_tools_used")) and not isinstance(details, dict):
        fees["web_searches"] = None  # or another tool: which, it does not say
    return fees


def read_video(body: Json) -> Reading:
    """A video that is fetched states its cost once it is done; until then, and when it is asked for, there is none.

    https://docs.x.ai/developers/model-capabilities/video/generation, .../cost-tracking
    """
    ticks = count(at(body, "usage", "cost_in_usd_ticks"))
    name = string(at(body, "request_id")) or string(at(body, "id"))
    if ticks is None:
        return under_way(Reading(response_id=name, error_type=error_type(body)))
    return Reading(
        response_model=string(at(body, "model")),
        response_id=name,
        usage_raw=at(body, "usage"),
        stated_cost_usd=Decimal(ticks).scaleb(-10),
    )


def charged_by_path(reading: Reading, asked: Asked) -> Reading:
    """A video or a completion that is fetched twice is charged once."""
    is_done = reading.stated_cost_usd is not None or reading.usage_raw
    return found_done(reading, f"result {asked.path}") if is_done else reading


_CHAT: Final = openai_shaped.operations(
    "/v1", "chat", "text_completion", "embeddings", "responses", "compact", read_usage=usage, complete=complete
)


def spoken(reading: Reading, asked: Asked) -> Reading:
    """A turn of the voice agent is charged by its seconds, and each text that the caller wrote by itself.

    https://docs.x.ai/developers/model-capabilities/audio/voice-agent; the seconds stand in the usage of `response.done`:
    tests/realtime/cassettes/test_xai_ws of pydantic-ai.
    """
    seconds = amount(at(reading.usage_raw, "billable_audio_seconds"))
    if seconds is None:
        return reading
    texts = sum(
        at(message, "item", "role") == "user" and at(part, "type") == "input_text"
        for message in items(at(asked.body, "input"))
        for part in items(at(message, "item", "content"))
    )
    units = reading.units | {"audio_seconds": seconds}
    return replace(reading, units=units | ({"input_text_messages": Decimal(texts)} if texts else {}))


def read_documents(body: Json) -> Reading:
    """`{"matches": [{"file_id", "chunk_content", "score"}]}`"""
    failure = error_type(body)
    return Reading(units=one_request(failure), error_type=failure)


PROVIDER: Final = Provider(
    name="xai",
    origin="https://api.x.ai",
    hosts=("api.x.ai", "*.api.x.ai"),  # us-east-1.api.x.ai, eu-west-1.api.x.ai: https://docs.x.ai/docs/regions
    labels=("x",),
    operations=(
        *_CHAT,
        # Fetches a completion that was asked for with `deferred`: https://docs.x.ai/docs/guides/deferred-chat-completions
        Operation(
            name="chat",
            method="GET",
            path="/v1/chat/deferred-completion/[^/]+",
            read_json=_CHAT[0].read_json,
            with_request=charged_by_path,
        ),
        anthropic_shaped.messages("/v1/messages", complete),
        *media.operations("/v1", "images", complete=complete),
        # `{text, voice_id, language}` becomes sound: XAIHttpTTSService of pipecat-ai; charged by the character, at a price that
        # no source we could read confirms. https://docs.x.ai/developers/model-capabilities/audio/text-to-speech
        replace(media.operations("/v1", "speech", complete=complete)[0], path="/v1/tts/?"),
        # litellm/llms/xai/audio_transcription/transformation.py: by the second of sound, which the answer states
        replace(media.operations("/v1", "transcription", complete=complete)[0], path="/v1/stt/?"),
        Operation(
            name="video_generation",
            path="/v1/videos/(?:generations|edits|extensions)/?",
            read_json=read_video,
        ),
        Operation(
            name="video_generation",
            method="GET",
            path="/v1/videos/[^/]+",
            read_json=read_video,
            with_request=charged_by_path,
        ),
        # A search in the caller's collections, by itself: xai_sdk 1.21, collections.py; its fee no answer states.
        Operation(name="storage_search", path="/v1/documents/search/?", read_json=read_documents),
        xai_batches.operation("/v1", read_batched),
        replace(realtime("/v1"), with_request=spoken),
        responses_over_socket("/v1", read_usage=usage, complete=complete),
        *xai_grpc.operations(_CHAT[0], _CHAT[1], complete),
    ),
    prices="x-ai",
    source="https://docs.x.ai/docs/api-reference",
)
