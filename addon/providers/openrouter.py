"""OpenRouter. https://openrouter.ai/docs/api-reference; fields: its SDK, openrouter/components/chatusage.py"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from addon.providers import anthropic_shaped, media, openai_shaped, openai_usage
from addon.providers.fields import amount, at, error_type, items, string
from addon.providers.model import Asked, Json, Operation, Provider, Reading, Terminal
from addon.providers.polled import charged_by_path, found_done, under_way

ENDS: Final = frozenset({"completed", "failed", "cancelled", "expired"})


def stated_cost(raw: Json) -> Decimal | None:
    """What OpenRouter charges, and with the caller's own key what that key's provider charges as well.

    https://openrouter.ai/docs/use-cases/usage-accounting. Without own keys `upstream_inference_cost` is part of `cost`.
    """
    cost = amount(at(raw, "cost"))
    upstream = amount(at(raw, "cost_details", "upstream_inference_cost"))
    by_own_key = at(raw, "is_byok")
    if cost is None or upstream is None or by_own_key is False:
        return cost
    # Answers from before `is_byok` had an upstream cost with own keys only.
    return cost + upstream if by_own_key is True or upstream != cost else cost


def complete(reading: Reading, chunks: Sequence[Json]) -> Reading:
    kinds = (string(at(chunk, "error", "metadata", "error_type")) for chunk in chunks)
    kind = next((word for word in kinds if word), None) or reading.error_type or _failed_choice(chunks)
    return replace(reading, stated_cost_usd=stated_cost(reading.usage_raw), error_type=kind)


def _failed_choice(chunks: Sequence[Json]) -> str | None:
    """A choice may carry the error of its provider: `{"error": {"code", "message"}, "finish_reason": "error"}`."""
    for chunk in chunks:
        for choice in items(at(chunk, "choices")):
            if at(choice, "error"):
                return error_type(choice) or "error"
    return None


def with_request(reading: Reading, asked: Asked) -> Reading:
    """Plugins (`:online` is one) have fees that only a stated cost has in it."""
    plugins = [string(at(plugin, "id")) or "unnamed" for plugin in items(at(asked.body, "plugins"))]
    if (asked.model or "").endswith(":online"):
        plugins.append("web")
    if not plugins or reading.stated_cost_usd is not None:
        return reading
    return replace(reading, price_factors=reading.price_factors | {"plugins": ",".join(sorted(set(plugins)))})


def read_video(body: Json) -> Reading:
    """A video job: what it costs is stated once it is completed. openrouter/components/videogenerationresponse.py of its
    SDK"""
    raw = at(body, "usage")
    status = string(at(body, "status"))
    reading = Reading(
        response_id=string(at(body, "id")),
        finish_reasons=(status,) if status in ENDS else (),
        usage_raw=raw,
        stated_cost_usd=stated_cost(raw),
        error_type=error_type(body) or (status if status in ENDS and status != "completed" else None),
    )
    return under_way(reading) if raw is None and status != "completed" else reading


def read_batch(body: Json) -> Reading:
    """A batch: `{id, model, status, results, usage}`. The look that finds it at its end states what all of it cost; the call
    that starts it has no row of its own. https://openrouter.ai/docs/guides/features/batch-api, components/batchobject.py of its SDK 1.3.84"""
    name, status, raw = string(at(body, "id")), string(at(body, "status")), at(body, "usage")
    reading = Reading(
        response_model=string(at(body, "model")),
        response_id=name,
        usage=openai_usage.usage(raw),
        usage_raw=raw,
        stated_cost_usd=stated_cost(raw),
        price_factors={"processing": "batch"},
        error_type=error_type(body) or (status if status == "failed" else None),
    )
    if status is None:  # an error
        return reading
    if status not in ENDS:
        return under_way(reading, is_look=True)
    ended = replace(reading, finish_reasons=(status,))
    return found_done(ended, f"batch {name}") if raw else ended


# An error in the middle of a stream is a chunk like the others, with an `error` beside its choices.
# https://openrouter.ai/docs/api/reference/errors-and-debugging
CHAT_END: Final = Terminal(line_start=openai_shaped.DONE.line_start, anywhere=rb'"finish_reason"\s*:\s*"error"')


def _ends(operation: Operation) -> Operation:
    return replace(operation, terminal=CHAT_END) if operation.terminal is openai_shaped.DONE else operation


# A preset is a path of its own: /api/v1/presets/{slug}/chat/completions (openrouter/presets.py of its SDK).
_BASE: Final = "/api(?:/v1|/alpha)(?:/presets/[^/]+)?"
_CHAT: Final[tuple[Operation, ...]] = (
    *openai_shaped.operations(_BASE, "chat", "text_completion", "embeddings", "responses", complete=complete),
    anthropic_shaped.messages(f"{_BASE}/messages", complete),
)

PROVIDER: Final = Provider(
    name="openrouter",
    origin="https://openrouter.ai",
    hosts=("openrouter.ai", "eu.openrouter.ai"),
    labels=("openrouter",),
    operations=(
        *(replace(_ends(operation), with_request=with_request) for operation in _CHAT),
        # openrouter/decisions.py and systemone.py of its SDK
        *openai_shaped.operations("/api/(?:v1|alpha)", "decisions", complete=complete),
        *media.operations("/api/v1", "images", "speech", "transcription", "rerank", complete=complete),
        Operation(name="batch_results", method="GET", path="/api/v1/batches/[^/]+", read_json=read_batch),
        Operation(name="video_generation", path="/api/v1/videos/?", read_json=read_video),
        Operation(
            name="video_generation",
            method="GET",
            path="/api/v1/videos/(?!models)[^/]+",
            read_json=read_video,
            with_request=charged_by_path,
        ),
    ),
    prices="openrouter",
    source="https://openrouter.ai/docs/api-reference",
)
