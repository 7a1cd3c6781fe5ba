"""Anthropic. https://platform.claude.com/docs/en/api/messages and .../build-with-claude/streaming"""

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from addon.providers import dialect
from addon.providers.fields import at, count, dumped, error_type, items, parse, string, words
from addon.providers.model import Event, Json, Operation, Provider, Reading, Terminal, Usage

TERMINAL: Final = Terminal(line_start=rb'(?:event: ?|data: ?\{\s*"type"\s*:\s*")message_stop(?=["\s]|$)')


_TOOL_UNITS: Final = {"web_search_requests": "web_searches", "code_execution_requests": "code_executions"}


def usage(raw: Json) -> Usage | None:
    """Anthropic leaves cached tokens out of its `input_tokens`; ours, like OpenTelemetry's, has them in."""
    uncached = count(at(raw, "input_tokens"))
    cache_read = count(at(raw, "cache_read_input_tokens"))
    cache_creation = count(at(raw, "cache_creation_input_tokens"))
    output = count(at(raw, "output_tokens"))
    if uncached is None and output is None:
        return None
    return Usage(
        input_tokens=None if uncached is None else uncached + (cache_read or 0) + (cache_creation or 0),
        cache_read_input_tokens=cache_read,
        cache_creation_input_tokens=cache_creation,
        cache_creation_1h_input_tokens=count(at(raw, "cache_creation", "ephemeral_1h_input_tokens")),
        output_tokens=output,
        reasoning_output_tokens=count(at(raw, "output_tokens_details", "thinking_tokens")),
    )


def read_json(body: Json) -> Reading:
    """A message, or an error body."""
    blocks = items(at(body, "content"))
    said = "".join(string(at(block, "text")) or "" for block in blocks)
    other = "".join(
        (string(at(block, "thinking")) or "") + (dumped(given) if (given := at(block, "input")) else "")
        for block in blocks
    )
    return _reading(body, at(body, "usage"), at(body, "stop_reason"), said, other, error_type(body))


def read_stream(events: Iterable[Event]) -> Reading:
    """`message_start` has the input's usage, `message_delta` the running total of the output: it replaces, never adds."""
    message: Json = None
    raw: Json = None
    stop_reason: Json = None
    said: list[str] = []
    other: list[str] = []
    failure: str | None = None
    for event in events:
        data = parse(event.data)
        match string(at(data, "type")) or event.event:
            case "message_start":
                message = at(data, "message")
                raw = merged(raw, at(message, "usage"))
            case "content_block_start":
                said.append(string(at(data, "content_block", "text")) or "")
            case "content_block_delta":
                said.append(string(at(data, "delta", "text")) or "")
                other += [string(at(data, "delta", key)) or "" for key in ("thinking", "partial_json")]
            case "message_delta":
                stop_reason = at(data, "delta", "stop_reason") or stop_reason
                raw = merged(raw, at(data, "usage"))
            case "error":
                failure = error_type(data) or "error"
    return _reading(message, raw, stop_reason, "".join(said), "".join(other), failure)


def merged(earlier: Json, later: Json) -> Json:
    """`later` over `earlier`, key by key; a null or missing key of `later` keeps what `earlier` said."""
    if not isinstance(earlier, dict) or not isinstance(later, dict):
        return earlier if later is None else later
    return earlier | {key: merged(earlier.get(key), value) for key, value in later.items() if value is not None}


def prompt(request: Json) -> str:
    """System prompt, the messages' words, calls and results of tools, and the tools' schemas."""
    parts = [words(at(request, "system"))]
    for message in items(at(request, "messages")):
        parts.append(words(at(message, "content")))
        for block in items(at(message, "content")):
            parts.append(words(at(block, "content")))  # of a tool_result
            if given := at(block, "input"):  # of a tool_use
                parts.append(dumped(given))
    if tools := at(request, "tools"):
        parts.append(dumped(tools))
    return "\n".join(part for part in parts if part)


def _reading(message: Json, raw: Json, stop_reason: Json, said: str, other: str, failure: str | None) -> Reading:
    reason = string(stop_reason)
    return Reading(
        response_model=string(at(message, "model")),
        response_id=string(at(message, "id")),
        finish_reasons=(reason,) if reason else (),
        usage=usage(raw),
        usage_raw=raw,
        units=_units(raw),
        price_factors=_price_factors(raw),
        text=said or None,
        other_output=other or None,
        error_type=failure,
    )


def _units(raw: Json) -> dict[str, Decimal | None]:
    """Uses of server tools that are charged beside the tokens; a web fetch costs its tokens only.

    https://platform.claude.com/docs/en/about-claude/pricing#specific-tool-pricing
    """
    used = at(raw, "server_tool_use")
    return {
        _TOOL_UNITS.get(str(name), str(name)): Decimal(number)
        for name, value in (used.items() if isinstance(used, dict) else ())
        if (number := count(value)) and name != "web_fetch_requests"
    }


def _price_factors(raw: Json) -> dict[str, str]:
    """What changes the price: tier, speed, region, and samplings beside the answer's own (compaction, advisors)."""
    factors = {
        key: value for key in ("service_tier", "speed", "inference_geo") if (value := string(at(raw, key))) is not None
    }
    kinds = {string(at(iteration, "type")) or "unnamed" for iteration in items(at(raw, "iterations"))} - {"message"}
    if kinds:
        factors["iterations"] = ",".join(sorted(kinds))
    return factors


PROVIDER = Provider(
    name="anthropic",
    origin="https://api.anthropic.com",
    hosts=("api.anthropic.com",),
    labels=("anthropic",),
    operations=(
        # Exact: count_tokens and batches below this path are other things.
        Operation(
            name="chat",
            path=re.compile("/v1/messages/?"),
            terminal=TERMINAL,
            read_json=read_json,
            read_stream=read_stream,
            prompt_text=prompt,
        ),
    ),
    prices="anthropic",
    error_body=dialect.anthropic_error,
    source="https://platform.claude.com/docs/en/api/messages",
)
