"""What an answer in OpenAI's shape states that it used, by whatever names its provider gives the parts.

https://platform.openai.com/docs/api-reference/chat/object
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from addon.providers.fields import at, count, items, merged
from addon.providers.model import Json, Usage
from addon.providers.shares import added

# Where cached tokens are counted: in the details of the prompt, or beside the totals.
_CACHE_READ_INSIDE: Final = (
    "cached_read_tokens",  # Bifrost, whose `cached_tokens` may have those that were written as well: core/schemas
    "cached_tokens",
    "cache_read_input_tokens",  # Perplexity's responses
)
_CACHE_READ: Final = (
    "prompt_cache_hit_tokens",  # https://api-docs.deepseek.com/guides/kv_cache
    "cached_tokens",  # Moonshot and Together: https://platform.moonshot.ai/docs/api/chat
    "cache_read_input_tokens",  # gateways to Claude
)
_CACHE_CREATION_INSIDE: Final = (
    "cache_write_tokens",
    "cache_creation_input_tokens",
    "cache_creation_tokens",  # gateways to Claude: litellm/types/utils.py of LiteLLM 1.109.1
    "caching_tokens",  # Requesty: src/core/api/providers/requesty.ts of Cline
    "cached_write_tokens",  # Bifrost
    "cached_creation_tokens",  # New API: dto/openai_response.go of https://github.com/QuantumNous/new-api
    "created_cache_tokens",  # vLLM: vllm/entrypoints/serve/engine/protocol.py of 0.33.0
)
# The last: of Writer, and of the runs of assistants.
_INSIDE: Final = ("prompt_tokens_details", "input_tokens_details", "prompt_token_details")
_HELICONES: Final = "cache_write_details"
_NEW_APIS_MINUTES: Final = "claude_cache_creation_5_m_tokens"


def usage(raw: Json) -> Usage | None:
    """All tokens of a call, with those of a model that wrote SVG images for it (`openai_images.with_authors`)."""
    total = _stated(raw)
    for author in items(at(raw, "svg_usage")):
        total = added(total, _stated(author) or Usage())
    return total


def _stated(raw: Json) -> Usage | None:
    """OpenAI counts cached, cache-writing and reasoning tokens inside its totals, as we do.

    Chat completions say `prompt_tokens` and `completion_tokens`, responses `input_tokens` and `output_tokens`.
    """
    if not isinstance(raw, dict):
        return None
    input_tokens = _first_count(raw, ("prompt_tokens", "input_tokens"))
    output_tokens = _first_count(raw, ("completion_tokens", "output_tokens"))
    if input_tokens is None and output_tokens is None:
        return _timed(raw)
    inside = _first_part(raw, _INSIDE)
    out = _first_part(raw, ("completion_tokens_details", "output_tokens_details"))
    reasoning = count(out.get("reasoning_tokens"))
    if reasoning is None:
        reasoning = count(raw.get("reasoning_tokens"))  # SGLang: entrypoints/openai/protocol.py, UsageInfo
    cache_read = _first_count(inside, _CACHE_READ_INSIDE)
    if cache_read is None:
        cache_read = _first_count(raw, _CACHE_READ)
    cache_creation = _first_count(inside, _CACHE_CREATION_INSIDE)
    if cache_creation is None:
        cache_creation = count(raw.get("cache_creation_input_tokens"))
    hour = _written_for_an_hour(raw, inside)
    # The sum of these parts may be more than the total beside them, and is what was written then.
    if minutes := count(raw.get(_NEW_APIS_MINUTES)):
        cache_creation = max(cache_creation or 0, minutes + (hour or 0))
    cached = (cache_read or 0) + (cache_creation or 0)
    # A gateway that passes Anthropic's counts on may leave the cached tokens out, as Anthropic does.
    if cached and input_tokens is not None and _is_beside(cached, input_tokens, output_tokens or 0, raw, inside):
        input_tokens += cached
    elif reasoning and output_tokens is not None and _is_outside(reasoning, input_tokens, output_tokens, raw):
        output_tokens += reasoning
    return Usage(
        input_tokens=input_tokens,
        cache_read_input_tokens=cache_read,
        cache_creation_input_tokens=cache_creation,
        cache_creation_1h_input_tokens=hour,
        output_tokens=output_tokens,
        reasoning_output_tokens=reasoning,
    )


def _written_for_an_hour(raw: dict[str, Json], inside: dict[str, Json]) -> int | None:
    stated = (
        at(inside.get("cache_creation_token_details"), "ephemeral_1h_input_tokens"),  # LiteLLM
        at(inside.get(_HELICONES), "write_1h_tokens"),
        at(inside.get("cached_write_token_details"), "cached_write_tokens_1h"),  # Bifrost
        raw.get("claude_cache_creation_1_h_tokens"),  # New API
    )
    return next((number for value in stated if (number := count(value)) is not None), None)


def _is_beside(
    cached: int, input_tokens: int, output_tokens: int, raw: dict[str, Json], inside: dict[str, Json]
) -> bool:
    """Whether cached tokens are not among those of the input. Helicone's gateway leaves those of Claude out of the total as
    well: there they are known by the member that only it has, or by being more than the input.
    packages/llm-mapper/transform/providers/anthropic/response/toOpenai.ts of https://github.com/Helicone/helicone"""
    if raw.get("usage_semantic") == "anthropic":  # New API says how it counts
        return True
    if _is_outside(cached, input_tokens, output_tokens, raw):
        # As many as were thought: of the two it is the thoughts that others leave out, as Gemini and xAI do.
        out = _first_part(raw, ("completion_tokens_details", "output_tokens_details"))
        return count(out.get("reasoning_tokens")) != cached
    is_summed_without = _is_outside(0, input_tokens, output_tokens, raw)
    return is_summed_without and (cached > input_tokens or _is_of_claude(inside.get(_HELICONES)))


def _is_of_claude(written: Json) -> bool:
    """Helicone's gateway has the member of Gemini as well, whose counts are inside; what it wrote there is always 0."""
    return bool(count(at(written, "write_5m_tokens")) or count(at(written, "write_1h_tokens")))


_HELICONES_ZEROS: Final = dict.fromkeys(
    ("reasoning_tokens", "audio_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens"), 0
)


def may_lack_cached(raw: Json) -> bool:
    """Whether cached tokens of Claude may be missing in the input. Helicone's gateway leaves them out of the prompt and of the
    total; where they were only read, and are fewer than the prompt, nothing but the members that it fills with zeros tells that
    the counts may be its own."""
    inside, out = at(raw, "prompt_tokens_details"), at(raw, "completion_tokens_details")
    if not isinstance(inside, dict) or inside.keys() != {"cached_tokens", "audio_tokens"} or out != _HELICONES_ZEROS:
        return False
    cached, prompt = count(inside["cached_tokens"]), count(at(raw, "prompt_tokens"))
    if not cached or prompt is None or any(at(raw, name) is not None for name in _CACHE_READ):
        return False
    return cached <= prompt and _is_outside(0, prompt, count(at(raw, "completion_tokens")) or 0, raw)


def _timed(raw: dict[str, Json]) -> Usage | None:
    """By the `timings` of llama.cpp, all that its streams state unless they are asked for more: tools/server/README.md.
    `prompt_n` are those that were not in its cache; older servers do not say how many were."""
    new, cached = count(raw.get("prompt_n")), count(raw.get("cache_n"))
    if new is None or cached is None:
        return None
    return Usage(input_tokens=new + cached, cache_read_input_tokens=cached, output_tokens=count(raw.get("predicted_n")))


def _is_outside(part: int, input_tokens: int | None, output_tokens: int, raw: Json) -> bool:
    """Whether a part is not among the input and output tokens, by the stated total. xAI's reasoning is not, also where others
    pass Grok on. https://docs.x.ai/docs/guides/reasoning"""
    return count(at(raw, "total_tokens")) == (input_tokens or 0) + output_tokens + part


def later(earlier: Json, later: Json) -> Json:
    """The usage after another chunk: a later one replaces what an earlier one said, but does not take it back. Some servers
    state each side in a chunk of its own, or end with a usage of zeros."""
    if not earlier or not later:
        return later or earlier
    counted, last = usage(earlier), usage(later)
    if counted and last and not (last.input_tokens or last.output_tokens):
        return earlier
    return merged(earlier, later)


def token_parts(raw: Json) -> dict[str, Decimal | None]:
    """Tokens of sound and images inside the totals, and of long cache writes, which have prices of their own; and searches."""
    if not isinstance(raw, dict):
        return {}
    inside = _first_part(raw, ("prompt_tokens_details", "input_tokens_details", "input_token_details"))
    out = _first_part(raw, ("completion_tokens_details", "output_tokens_details", "output_token_details"))
    searched = raw.get("server_tool_use")
    if not inside and not out and not searched:
        return {}
    stated = [
        # Searches of Claude, as gateways pass them on: Helicone's toOpenai.ts, LiteLLM's types/utils.py
        ("web_searches", at(searched, "web_search_requests")),
        ("input_audio_tokens", inside.get("audio_tokens")),
        ("input_image_tokens", inside.get("image_tokens")),
        ("output_audio_tokens", out.get("audio_tokens")),
        ("output_image_tokens", out.get("image_tokens")),
    ]
    if cached := inside.get("cached_tokens_details"):
        stated.append(("cache_audio_read_tokens", at(cached, "audio_tokens")))
        stated.append(("cache_image_read_tokens", at(cached, "image_tokens")))
    # Written for twelve hours, which costs twice what half an hour does: types/responses/response_usage.py of the SDK 3.54
    if written := inside.get("cache_write_tokens_details"):
        stated.append(("cache_write_12h_tokens", at(written, "ttl_12h_tokens")))
    units: dict[str, Decimal | None] = {
        unit: Decimal(number) for unit, value in stated if value and (number := count(value))
    }
    # Searches of Gemini, as LiteLLM counts them: some models bill each of them, others the prompt.
    if queries := count(inside.get("web_search_requests")):
        units["web_searches"] = Decimal(1) if queries == 1 else None
    return units


def _first_part(raw: dict[str, Json], names: Iterable[str]) -> dict[str, Json]:
    """The first of these members that says anything; {} where that is not an object."""
    for name in names:
        if part := raw.get(name):
            return part if isinstance(part, dict) else {}
    return {}


def _first_count(raw: dict[str, Json], names: Iterable[str]) -> int | None:
    for name in names:
        if (value := raw.get(name)) is not None and (number := count(value)) is not None:
            return number
    return None
