"""What an answer in OpenAI's shape states that it used, by whatever names its provider gives the parts.

https://platform.openai.com/docs/api-reference/chat/object
"""

from decimal import Decimal

from addon.providers.fields import at, count, items, merged
from addon.providers.model import Json, Usage
from addon.providers.shares import added


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
    prompt_details = at(raw, "prompt_tokens_details") or at(raw, "input_tokens_details")
    answer_details = at(raw, "completion_tokens_details") or at(raw, "output_tokens_details")
    input_tokens = _either(raw, "prompt_tokens", "input_tokens")
    output_tokens = _either(raw, "completion_tokens", "output_tokens")
    reasoning = count(at(answer_details, "reasoning_tokens"))
    if input_tokens is None and output_tokens is None:
        return None
    cache_read = _first(
        at(prompt_details, "cached_tokens"),
        at(prompt_details, "cache_read_input_tokens"),  # Perplexity's responses
        at(raw, "prompt_cache_hit_tokens"),  # https://api-docs.deepseek.com/guides/kv_cache
        at(raw, "cached_tokens"),  # Moonshot and Together: https://platform.moonshot.ai/docs/api/chat
        at(raw, "cache_read_input_tokens"),  # gateways to Claude
    )
    cache_creation = _first(
        at(prompt_details, "cache_write_tokens"),
        at(prompt_details, "cache_creation_input_tokens"),
        at(prompt_details, "cache_creation_tokens"),  # gateways to Claude: litellm/types/utils.py of LiteLLM 1.109.1
        at(prompt_details, "caching_tokens"),  # Requesty: src/core/api/providers/requesty.ts of Cline
        at(raw, "cache_creation_input_tokens"),
    )
    cached = (cache_read or 0) + (cache_creation or 0)
    # A gateway that passes Anthropic's counts on may leave the cached tokens out, as Anthropic does.
    if cached and input_tokens is not None and _is_outside(cached, input_tokens, output_tokens or 0, raw):
        input_tokens += cached
    elif reasoning and output_tokens is not None and _is_outside(reasoning, input_tokens, output_tokens, raw):
        output_tokens += reasoning
    return Usage(
        input_tokens=input_tokens,
        cache_read_input_tokens=cache_read,
        cache_creation_input_tokens=cache_creation,
        cache_creation_1h_input_tokens=count(
            at(prompt_details, "cache_creation_token_details", "ephemeral_1h_input_tokens")
        ),
        output_tokens=output_tokens,
        reasoning_output_tokens=reasoning,
    )


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
    """Tokens of sound and images inside the totals, and of long cache writes, which have prices of their own."""
    inside = at(raw, "prompt_tokens_details") or at(raw, "input_tokens_details") or at(raw, "input_token_details")
    out = at(raw, "completion_tokens_details") or at(raw, "output_tokens_details") or at(raw, "output_token_details")
    if not inside and not out:
        return {}
    cached = at(inside, "cached_tokens_details")
    stated = {
        "input_audio_tokens": at(inside, "audio_tokens"),
        "input_image_tokens": at(inside, "image_tokens"),
        "output_audio_tokens": at(out, "audio_tokens"),
        "output_image_tokens": at(out, "image_tokens"),
        "cache_audio_read_tokens": at(cached, "audio_tokens"),
        "cache_image_read_tokens": at(cached, "image_tokens"),
        # Written for twelve hours, which costs twice what half an hour does: types/responses/response_usage.py of the SDK 3.54
        "cache_write_12h_tokens": at(inside, "cache_write_tokens_details", "ttl_12h_tokens"),
    }
    return {unit: Decimal(number) for unit, value in stated.items() if (number := count(value))}


def _either(raw: Json, *keys: str) -> int | None:
    for key in keys:
        if (number := count(at(raw, key))) is not None:
            return number
    return None


def _first(*values: Json) -> int | None:
    return next((number for value in values if (number := count(value)) is not None), None)
