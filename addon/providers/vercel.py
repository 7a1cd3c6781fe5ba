"""Vercel's AI Gateway. https://vercel.com/docs/ai-gateway/sdks-and-apis/openai-chat-completions"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from addon.providers import anthropic_shaped, media, openai_shaped, vercel_sdk
from addon.providers.fields import amount, at, count, items
from addon.providers.model import Json, Provider, Reading
from addon.providers.openai_realtime import responses_over_socket


def complete(reading: Reading, chunks: Sequence[Json]) -> Reading:
    """The gateway's cost in USD, a string, is at the top, in the message or in the last delta."""
    stated = [amount(at(told, "gateway", "cost")) for chunk in chunks for told in _metadata(chunk)]
    costs = [cost for cost in (amount(at(reading.usage_raw, "cost")), *stated) if cost is not None]
    return replace(_with_thoughts(reading, chunks), stated_cost_usd=costs[-1] if costs else None)


def _with_thoughts(reading: Reading, chunks: Sequence[Json]) -> Reading:
    """Of Gemini the usage leaves the thoughts out of the completion, as Google does: Google's own usage, passed on, tells.

    Recorded: providertests/testdata/TestVercelCommon/gemini-2.5-flash of charmbracelet/fantasy.
    """
    thoughts = count(at(reading.usage_raw, "completion_tokens_details", "reasoning_tokens"))
    usage = reading.usage
    if not thoughts or usage is None or usage.output_tokens is None:
        return reading
    of_google = [
        count(at(told, maker, "usageMetadata", "candidatesTokenCount"))
        for chunk in chunks
        for told in _metadata(chunk)
        for maker in ("google", "vertex")
    ]
    if usage.output_tokens not in of_google:
        return reading
    return replace(reading, usage=replace(usage, output_tokens=usage.output_tokens + thoughts))


def _metadata(chunk: Json) -> Iterator[Json]:
    places = [chunk, at(chunk, "response"), at(chunk, "message")]
    for choice in items(at(chunk, "choices")):
        places += [choice, at(choice, "message"), at(choice, "delta")]
    for place in places:
        yield at(place, "provider_metadata")
        yield at(place, "providerMetadata")


PROVIDER: Final = Provider(
    name="vercel",
    origin="https://ai-gateway.vercel.sh",
    hosts=("ai-gateway.vercel.sh",),
    labels=("vercel",),
    operations=(
        *openai_shaped.operations("/v1", "chat", "embeddings", "responses", complete=complete),
        # https://vercel.com/docs/ai-gateway/sdks-and-apis/responses/websockets
        responses_over_socket("/v1", complete=complete),
        anthropic_shaped.messages("/v1/messages", complete),
        *media.operations("/v1", "images", "speech", "transcription", "rerank", complete=complete),
        *vercel_sdk.operations(),
    ),
    source="https://vercel.com/docs/ai-gateway/sdks-and-apis/openai-chat-completions",
)
