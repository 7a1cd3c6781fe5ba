"""Perplexity. https://docs.perplexity.ai/api-reference; fields: its SDK, perplexity/types/shared/usage_info.py"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from addon.providers import openai_batches, openai_shaped, openai_usage
from addon.providers.fields import amount, at, count, error_type, one_request, string
from addon.providers.model import Asked, Json, Operation, Provider, Reading, Terminal, Usage
from addon.providers.polled import found_done, under_way

WAITING: Final = frozenset({"CREATED", "IN_PROGRESS"})


def usage(raw: Json) -> Usage | None:
    """Reasoning and citation tokens of deep research are counted outside `completion_tokens`, each with its own price."""
    stated = openai_usage.usage(raw)
    reasoning, cited = count(at(raw, "reasoning_tokens")), count(at(raw, "citation_tokens"))
    if stated is None or (reasoning is None and cited is None):
        return stated
    outside = (reasoning or 0) + (cited or 0)
    return replace(
        stated,
        output_tokens=None if stated.output_tokens is None else stated.output_tokens + outside,
        reasoning_output_tokens=reasoning,
    )


def complete(reading: Reading, chunks: Sequence[Json]) -> Reading:
    """`usage.cost.total_cost`, in USD; and what else is priced where an answer states no cost."""
    raw = reading.usage_raw
    if raw is None and any(at(chunk, "choices") for chunk in chunks):
        return _cut(reading)
    units = dict(reading.units)
    for unit, value in (
        ("output_citation_tokens", at(raw, "citation_tokens")),
        ("web_searches", at(raw, "num_search_queries")),
        ("web_searches", at(raw, "tool_calls_details", "search_web", "invocation")),
    ):
        if number := count(value):
            units[unit] = Decimal(number)
    reading = replace(reading, units=units, stated_cost_usd=amount(at(raw, "cost", "total_cost")))
    searched = string(at(raw, "search_context_size"))
    if reading.stated_cost_usd is not None or raw is None or count(at(raw, "completion_tokens")) is None:
        return reading
    # Each call has a fee by how much of the web it read; deep research has one by search instead.
    if "web_searches" not in units:
        reading = replace(reading, units=units | {"requests": Decimal(1)})
    return replace(reading, price_factors=reading.price_factors | {"search_context_size": searched or "low"})


def _cut(reading: Reading) -> Reading:
    """A chat that ended before its usage came also has its fee; how many fees deep research has is not known."""
    if "deep-research" in (reading.response_model or ""):
        return replace(reading, units=reading.units | {"web_searches": None})
    return replace(reading, units=reading.units | {"requests": Decimal(1)})


def with_request(reading: Reading, asked: Asked) -> Reading:
    """How much of the web a chat was to read chooses its fee, where the answer does not say it."""
    if "requests" not in reading.units or "search_context_size" in reading.price_factors:
        return reading
    wished = string(at(asked.body, "web_search_options", "search_context_size")) or "low"
    return replace(reading, price_factors=reading.price_factors | {"search_context_size": wished})


def read_async(body: Json) -> Reading:
    """The completion is in `response`, once it is done. perplexity/types/async_/chat/completion_get_response.py"""
    if string(at(body, "status")) in WAITING:
        return under_way(Reading(response_id=string(at(body, "id"))))
    done = at(body, "response")
    read_json = _CHAT[0].read_json
    reading = read_json(done) if read_json and isinstance(done, dict) else Reading()
    failed = "FAILED" if at(body, "status") == "FAILED" else error_type(body)
    reading = replace(reading, error_type=reading.error_type or failed)
    number = string(at(body, "id"))
    return found_done(reading, f"async completion {number}") if reading.usage_raw and number else reading


def read_search(body: Json) -> Reading:
    """A search costs by the request. https://docs.perplexity.ai/getting-started/pricing"""
    failure = error_type(body)
    return Reading(response_id=string(at(body, "id")), error_type=failure, units=one_request(failure))


def _read_batched(body: Json) -> Reading:
    return complete(openai_shaped.read_any(body, usage), [body])


# With `stream_mode` "concise" the last event has the whole answer. https://docs.perplexity.ai/guides/stream-mode-guide
CHAT_END: Final = Terminal(
    line_start=openai_shaped.DONE.line_start, anywhere=rb'"object"\s*:\s*"chat\.completion\.done"'
)
_CHAT: Final = (
    *(
        replace(operation, with_request=with_request, terminal=CHAT_END)
        for operation in openai_shaped.operations("(?:/v1)?", "chat", read_usage=usage, complete=complete)
    ),
    # /v2: https://docs.perplexity.ai/docs/agent-api/openai-compatibility
    *openai_shaped.operations("/v[12]", "responses", "embeddings", read_usage=usage, complete=complete),
)

PROVIDER: Final = Provider(
    name="perplexity",
    origin="https://api.perplexity.ai",
    hosts=("api.perplexity.ai",),
    labels=("perplexity",),
    operations=(
        *_CHAT,
        # Newer names of the same: the Sonar and the Agent API (perplexity/resources of its SDK).
        replace(_CHAT[0], path="/v1/sonar/?"),
        replace(_CHAT[1], path="/v[12]/agent/?"),
        replace(_CHAT[2], path="/v1/contextualizedembeddings/?"),
        Operation(name="chat", path="(?:/v1)?/async/(?:chat/completions|sonar)/?", read_json=read_async),
        Operation(
            name="chat",
            method="GET",
            path="(?:/v1)?/async/(?:chat/completions|sonar)/[^/]+",
            read_json=read_async,
        ),
        # Perplexity's own decisions, responses from the background, batches of responses (perplexity/generated/api.py and
        # perplexity/types of its SDK, 0.46)
        *openai_shaped.operations("/v1", "decisions", "retrieve_response", read_usage=usage, complete=complete),
        openai_batches.results("/v1/files/[^/]+/content", _read_batched),
        Operation(name="web_search", path="(?:/v1)?/search/?", read_json=read_search),
    ),
    prices="perplexity",
    source="https://docs.perplexity.ai/api-reference",
)
