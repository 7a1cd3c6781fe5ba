"""Anthropic. https://platform.claude.com/docs/en/api/messages and .../build-with-claude/streaming"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from addon.providers import anthropic_sessions, anthropic_usage, dialect
from addon.providers.fields import at, count, dumped, error_type, items, json_of, merged, stream_failure, string, words
from addon.providers.model import Asked, Event, Json, Operation, Provider, Reading, Terminal
from addon.providers.openai_shaped import completion_prompt, operations
from addon.providers.pieces import Pieces
from addon.providers.shares import share_units

TERMINAL: Final = Terminal(line_start=rb'(?:event: ?|data: ?\{\s*"type"\s*:\s*")message_stop(?=["\s]|$)')
COMPLETION_END: Final = Terminal(anywhere=rb'"stop_reason"\s*:\s*"')

_TOOL_UNITS: Final = {"web_search_requests": "web_searches", "code_execution_requests": "code_executions"}
# Server tools that run in a container, which is charged by the hour: `code_execution`, `bash_code_execution`, ...
_CODE: Final = "code_execution"
# With these tools, or newer ones, in the request a container costs nothing.
# https://platform.claude.com/docs/en/agents-and-tools/tool-use/code-execution-tool
_FREES_CODE: Final = re.compile(r"web_(?:search|fetch)_(\d{8})")
_FREES_CODE_SINCE: Final = "20260209"


def read_json(body: Json) -> Reading:
    """A message, or an error body."""
    blocks = items(at(body, "content"))
    said = "".join(string(at(block, "text")) or "" for block in blocks)
    other = "".join(
        (string(at(block, "thinking")) or "") + (dumped(given) if (given := at(block, "input")) else "")
        for block in blocks
    )
    return _reading(body, at(body, "usage"), body, said, other, error_type(body), blocks)


def read_stream(events: Iterable[Event]) -> Reading:
    """`message_start` has the input's usage, `message_delta` the running total of the output: it replaces, never adds."""
    message: Json = None
    raw: Json = None
    stop: Json = None
    said: list[str] = []
    other: list[str] = []
    failure: str | None = None
    blocks: list[Json] = []
    pieces = Pieces(events)
    for event in pieces:
        data = json_of(event)
        match string(at(data, "type")) or event.event:
            case "message_start":
                message = at(data, "message")
                raw = merged(raw, at(message, "usage"))
            case "content_block_start":
                blocks.append(at(data, "content_block"))
                said.append(string(at(data, "content_block", "text")) or "")
            case "content_block_delta":
                said.append(string(at(data, "delta", "text")) or "")
                other += [string(at(data, "delta", key)) or "" for key in ("thinking", "partial_json")]
                if at(data, "type") and at(data, "delta") == {"type": "text_delta", "text": said[-1]}:
                    said += pieces.repeated(event, "text", said[-1])
            case "message_delta":
                stop = at(data, "delta") if at(data, "delta", "stop_reason") else stop
                raw = anthropic_usage.later(raw, at(data, "usage"))
            case kind if kind == "error" or (kind is None and at(data, "error")):
                failure = error_type(data) or "error"
    reading = _reading(message, raw, stop, "".join(said), "".join(other), failure, blocks)
    if failure and reading.usage and not (reading.text or reading.other_output or stop):
        # `message_start` counts a token before there is any.
        return replace(reading, usage=replace(reading.usage, output_tokens=None))
    return reading


def _code_runs(blocks: Iterable[Json]) -> int:
    """How often code was run in a container; the usage does not say."""
    return sum(
        at(block, "type") == "server_tool_use" and (string(at(block, "name")) or "").endswith(_CODE) for block in blocks
    )


def with_request(reading: Reading, asked: Asked) -> Reading:
    """Containers cost nothing beside the newer web tools."""
    found = (_FREES_CODE.fullmatch(string(at(tool, "type")) or "") for tool in items(at(asked.body, "tools")))
    if not any(match and match[1] >= _FREES_CODE_SINCE for match in found):
        return reading
    return replace(reading, units={unit: count for unit, count in reading.units.items() if unit != "code_executions"})


def read_count(body: Json) -> Reading:
    """`{"input_tokens": 14}`: what a message would have, not what was used."""
    return Reading(usage_raw=body, error_type=error_type(body))


def read_completion(body: Json) -> Reading:
    """The legacy `/v1/complete`, which states no usage. https://platform.claude.com/docs/en/api/completions/create"""
    return _completion([body])


def read_completion_stream(events: Iterable[Event]) -> Reading:
    return _completion([json_of(event) for event in events])


def _completion(chunks: list[Json]) -> Reading:
    head = next((chunk for chunk in chunks if string(at(chunk, "model"))), None)
    failure = stream_failure(chunks)
    last = next((chunk for chunk in reversed(chunks) if string(at(chunk, "stop_reason"))), None)
    said = "".join(string(at(chunk, "completion")) or "" for chunk in chunks)
    return _reading(head, None, last, said, "", failure)


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


def _reading(
    message: Json, raw: Json, stop: Json, said: str, other: str, failure: str | None, blocks: Sequence[Json] = ()
) -> Reading:
    """`stop`: what has the `stop_reason` and its details. `blocks`: of the content."""
    reason = string(at(stop, "stop_reason"))
    refusal = (at(stop, "stop_details") or {}) if reason == "refusal" else None
    billed = anthropic_usage.billed(message, raw, blocks, refusal)
    return Reading(
        response_model=billed.model,
        response_id=string(at(message, "id")),
        finish_reasons=(reason,) if reason else (),
        usage=billed.usage,
        usage_raw=raw,
        units=_units(raw, _code_runs(blocks)) | share_units(billed.shares),
        price_factors=_price_factors(raw, billed),
        text=said or None,
        other_output=other or None,
        error_type=failure,
        is_unbilled=billed.is_refusal_unbilled,
    )


def _units(raw: Json, code_runs: int) -> dict[str, Decimal | None]:
    """Uses of server tools that are charged beside the tokens; a web fetch costs its tokens only.

    https://platform.claude.com/docs/en/about-claude/pricing#specific-tool-pricing
    """
    used = at(raw, "server_tool_use")
    units: dict[str, Decimal | None] = {"code_executions": Decimal(code_runs)} if code_runs else {}
    return units | {
        _TOOL_UNITS.get(str(name), str(name)): Decimal(number)
        for name, value in (used.items() if isinstance(used, dict) else ())
        if (number := count(value)) and name != "web_fetch_requests"
    }


def _price_factors(raw: Json, billed: anthropic_usage.Billed) -> dict[str, str]:
    """What changes the price: tier, speed, region; and samplings of a kind that nobody knows the price of."""
    factors = {
        key: value for key in ("service_tier", "speed", "inference_geo") if (value := string(at(raw, key))) is not None
    }
    if billed.unknown_kinds:
        factors["iterations"] = billed.unknown_kinds
    elif billed.shares and factors.get("speed") == "fast":
        factors["iterations"] = "of several models, fast"  # the speed is that of the answer's own model
    return factors


MESSAGES: Final = (
    Operation(
        name="chat",
        path="/v1/messages/?",
        terminal=TERMINAL,
        read_json=read_json,
        read_stream=read_stream,
        with_request=with_request,
        prompt_text=prompt,
    ),
    # https://platform.claude.com/docs/en/build-with-claude/token-counting
    Operation(name="count_tokens", path="/v1/messages/count_tokens/?", is_free=True, read_json=read_count),
)
_COMPLETE: Final = Operation(
    name="text_completion",
    path="/v1/complete/?",
    terminal=COMPLETION_END,
    read_json=read_completion,
    read_stream=read_completion_stream,
    prompt_text=completion_prompt,
)

PROVIDER = Provider(
    name="anthropic",
    origin="https://api.anthropic.com",
    # The second is Claude Platform on AWS, at the same prices: anthropic/lib/aws/_credentials.py
    hosts=("api.anthropic.com", "aws-external-anthropic.*.api.aws"),
    labels=("anthropic",),
    operations=(
        *MESSAGES,
        _COMPLETE,
        anthropic_sessions.EVENTS,
        *operations("/v1", "chat"),  # https://platform.claude.com/docs/en/api/openai-sdk
    ),
    prices="anthropic",
    # Claude Code with a Claude account instead of an API key.
    plan_credentials=("bearer sk-ant-oat",),
    error_body=dialect.anthropic_error,
    source="https://platform.claude.com/docs/en/api/messages",
)
