"""Groq. https://console.groq.com/docs/api-reference; fields: its SDK, groq/types/chat/chat_completion.py"""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import Final

from addon.providers import media, openai_shaped, openai_usage
from addon.providers.fields import at, items, string
from addon.providers.model import Json, Provider, Reading, Usage
from addon.providers.shares import added, by_model, larger, share_units


def complete(reading: Reading, chunks: Sequence[Json]) -> Reading:
    """Tools that Groq ran have fees by their kind and time, which no answer states. https://groq.com/pricing

    A compound system costs what the models cost that it used. https://console.groq.com/docs/compound#pricing
    """
    ran = {
        string(at(tool, "type")) or "unnamed"
        for chunk in chunks
        for choice in items(at(chunk, "choices"))
        for side in ("message", "delta")
        for tool in items(at(choice, side, "executed_tools"))
    }
    factors = {"tool": ",".join(sorted(ran))} if ran else {}
    reading = replace(reading, price_factors=reading.price_factors | factors)
    breakdown = next((found for chunk in reversed(chunks) if items(at(found := _breakdown(chunk), "models"))), None)
    return _shared(reading, breakdown) if breakdown else reading


def _breakdown(chunk: Json) -> Json:
    """Of a stream the last chunk has it: groq/types/chat/chat_completion_chunk.py"""
    return at(chunk, "usage_breakdown") or at(chunk, "x_groq", "usage_breakdown")


def _shared(reading: Reading, breakdown: Json) -> Reading:
    """The totals are those stated, or the sum of all models where that is more."""
    shares = by_model(
        (string(at(entry, "model")) or "unnamed", openai_usage.usage(at(entry, "usage")) or Usage())
        for entry in items(at(breakdown, "models"))
    )
    total = reduce(added, shares.values())
    shares.pop(reading.response_model or "", None)
    return replace(
        reading,
        usage=larger(reading.usage, total) if reading.usage else total,
        usage_raw=(reading.usage_raw if isinstance(reading.usage_raw, dict) else {}) | {"usage_breakdown": breakdown},
        units=reading.units | share_units(shares),
    )


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
