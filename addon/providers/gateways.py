"""Gateways that state what a call cost, each at a place of its own in the answer."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from addon.providers import anthropic_shaped, gemini, openai_shaped, openrouter
from addon.providers.completed import Complete, completed
from addon.providers.fields import amount, at
from addon.providers.model import Asked, Json, Provider, Reading


def by_stated_cost(cost_of: Callable[[Json], Decimal | None]) -> Complete:
    """The last cost that an answer states."""

    def complete(reading: Reading, chunks: Sequence[Json]) -> Reading:
        costs = (cost_of(chunk) for chunk in reversed(chunks))
        stated = next((cost for cost in costs if cost is not None), None)
        return replace(reading, stated_cost_usd=stated)

    return complete


def opencodes_cost(chunk: Json) -> Decimal | None:
    """`cost`, US dollars as text: of a stream in an event of its own. 0 for free models and for own keys.
    packages/console/app/src/routes/zen/util/handler.ts and provider/provider.ts of https://github.com/anomalyco/opencode"""
    return amount(at(chunk, "cost"))


def nano_gpts_cost(chunk: Json) -> Decimal | None:
    """`x_nanogpt_pricing`; the Anthropic-shaped half says `amount`. https://docs.nano-gpt.com"""
    pricing = at(chunk, "x_nanogpt_pricing")
    if at(pricing, "currency") not in (None, "USD"):
        return None
    stated = (amount(at(pricing, name)) for name in ("costUsd", "cost", "amount"))
    return next((cost for cost in stated if cost is not None), None)


def aimlapis_cost(chunk: Json) -> Decimal | None:
    """In the body, of a stream in its last chunk. https://docs.aimlapi.com/capabilities/request-tracing-and-cost"""
    return amount(at(chunk, "meta", "usage", "usd_spent"))


def requestys_cost(chunk: Json) -> Decimal | None:
    """`cost`, before that `total_cost`: src/core/api/providers/requesty.ts of Cline, https://docs.requesty.ai"""
    stated = (amount(at(chunk, "usage", name)) for name in ("cost", "total_cost"))
    return next((cost for cost in stated if cost is not None), None)


def edenais_cost(chunk: Json) -> Decimal | None:
    """`cost`, US dollars, at the top: litellm/llms/edenai/common_utils.py of LiteLLM 1.109.1"""
    return amount(at(chunk, "cost"))


def llmgateways_cost(chunk: Json) -> Decimal | None:
    """https://docs.llmgateway.io/features/cost-breakdown"""
    return amount(at(chunk, "usage", "cost_usd_total"))


# What LiteLLM says that a call cost. Of a stream it is empty, and may be in the usage: `include_cost_in_streaming_usage` of
# litellm/proxy/common_request_processing.py of 1.109.1. The other header is in each of its answers.
LITELLMS_COST: Final = "x-litellm-response-cost"
LITELLMS_SIGN: Final = "x-litellm-call-id"


def cost_in_usage(raw: Json, asked: Asked) -> Decimal | None:
    """What the usage of a gateway that is not known says that the call cost, where something tells that it means US dollars: a
    bare number may be credits, points or another currency. 0 says nothing: not every gateway has prices."""
    named = amount(at(raw, "cost_usd_total"))  # LLM Gateway, on a machine of one's own
    if named is not None:
        return named or None
    if at(raw, "currency") not in _DOLLARS:
        return None
    stated = at(raw, "cost")
    if isinstance(stated, dict):  # Bifrost: core/schemas/chatcompletions.go, BifrostCost
        return (amount(stated.get("total_cost")) or None) if stated.get("currency") in _DOLLARS else None
    if any(at(raw, name) is not None for name in _OPENROUTERS):
        return openrouter.stated_cost(raw) or None
    is_dollars = LITELLMS_SIGN in asked.answer_headers or at(raw, "currency") is not None
    return (amount(stated) or None) if is_dollars else None


_DOLLARS: Final = (None, "USD")
# https://openrouter.ai/docs/use-cases/usage-accounting; gateways pass its usage on as it is.
_OPENROUTERS: Final = ("cost_details", "is_byok")

_OPENCODE: Final = by_stated_cost(opencodes_cost)
_NANO_GPT: Final = by_stated_cost(nano_gpts_cost)
_LLMGATEWAY: Final = by_stated_cost(llmgateways_cost)
_SHAPED: Final = ("chat", "text_completion", "embeddings", "responses")

OPENCODE: Final = Provider(
    name="opencode",
    origin="https://opencode.ai",
    hosts=("opencode.ai/zen/",),
    operations=(
        *openai_shaped.operations("/zen/v1", *_SHAPED, complete=_OPENCODE),
        anthropic_shaped.messages("/zen/v1/messages", _OPENCODE),
        *(
            completed(operation, _OPENCODE)
            for operation in gemini.generate_content(r"/zen/v1/models/(?P<model>[^/:]+)")
        ),
        # Paid by the plan `Go`: the cost that its answers state is always 0.
        *openai_shaped.operations("/zen/go/v1", *_SHAPED),
        anthropic_shaped.messages("/zen/go/v1/messages"),
    ),
    plan_paths=("/zen/go/",),
    source="https://opencode.ai/docs/zen",
)
NANO_GPT: Final = Provider(
    name="nano_gpt",
    origin="https://nano-gpt.com",
    hosts=("nano-gpt.com/api/",),
    operations=(
        *openai_shaped.operations("/api/(?:v1|v1legacy|v1thinking)", *_SHAPED, complete=_NANO_GPT),
        anthropic_shaped.messages("/api/v1/messages", _NANO_GPT),
    ),
    source="https://docs.nano-gpt.com",
)
LLMGATEWAY: Final = Provider(
    name="llmgateway",
    origin="https://api.llmgateway.io",
    hosts=("api.llmgateway.io",),
    operations=(
        *openai_shaped.operations("/v1", *_SHAPED, complete=_LLMGATEWAY),
        anthropic_shaped.messages("/v1/messages", _LLMGATEWAY),
    ),
    source="https://docs.llmgateway.io",
)
PROVIDERS: Final = (OPENCODE, NANO_GPT, LLMGATEWAY)
