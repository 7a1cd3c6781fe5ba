"""Groq. https://console.groq.com/docs/api-reference; fields: its SDK, groq/types/chat/chat_completion.py"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from addon.providers import media, openai_shaped
from addon.providers.fields import at, items, string
from addon.providers.model import Json, Provider, Reading


def complete(reading: Reading, chunks: Sequence[Json]) -> Reading:
    """Tools that Groq ran have fees by their kind and time, which no answer states. https://groq.com/pricing"""
    ran = {
        string(at(tool, "type")) or "unnamed"
        for chunk in chunks
        for choice in items(at(chunk, "choices"))
        for side in ("message", "delta")
        for tool in items(at(choice, side, "executed_tools"))
    }
    factors = {"tool": ",".join(sorted(ran))} if ran else {}
    return replace(reading, price_factors=reading.price_factors | factors)


PROVIDER: Final = Provider(
    name="groq",
    origin="https://api.groq.com",
    hosts=("api.groq.com",),
    labels=("groq",),
    operations=(
        *openai_shaped.operations("/openai/v1", "chat", "responses", "embeddings", complete=complete),
        # https://console.groq.com/docs/batch: half the price
        *openai_shaped.operations("/openai/v1", "batch_results"),
        *media.operations("/openai/v1", "speech", "transcription", "translation"),
    ),
    prices="groq",
    source="https://console.groq.com/docs/api-reference",
)
