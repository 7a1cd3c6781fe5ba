"""OpenAI's Responses API: `POST /v1/responses`, JSON and stream.

https://platform.openai.com/docs/api-reference/responses and .../responses-streaming
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from addon.providers.fields import at, dumped, error_type, items, parse, string, words
from addon.providers.model import Event, Json, Reading, Terminal

TERMINAL: Final = Terminal(
    line_start=rb'(?:event: ?|data: ?\{\s*"type"\s*:\s*")(?:response\.(?:completed|failed|incomplete)|error)(?=["\s]|$)'
)
FINAL: Final = frozenset({"response.completed", "response.failed", "response.incomplete"})
WORDS: Final = frozenset({"response.output_text.delta", "response.refusal.delta"})
OTHER_OUTPUT: Final = frozenset(
    {
        "response.function_call_arguments.delta",
        "response.custom_tool_call_input.delta",
        "response.reasoning_text.delta",
        "response.reasoning_summary_text.delta",
    }
)


def read_json(body: Json) -> Reading:
    """A response object, or an error body."""
    return _reading(body, items(at(body, "output")), "", "")


def read_stream(events: Iterable[Event]) -> Reading:
    """The final event carries the whole response; deltas count where it never came, or came without its output."""
    response: Json = None
    done: list[Json] = []  # finished items of the output
    said, other, failure = [], [], None
    for event in events:
        data = parse(event.data)
        kind = string(at(data, "type")) or event.event
        if kind in WORDS:
            said.append(string(at(data, "delta")) or "")
        elif kind in OTHER_OUTPUT:
            other.append(string(at(data, "delta")) or "")
        elif kind == "response.output_item.done":
            done.append(at(data, "item"))
        elif kind == "error":
            failure = error_type(data) or string(at(data, "code")) or "error"
        elif isinstance(at(data, "response"), dict):
            response = at(data, "response")
            if kind in FINAL:
                break
    output = items(at(response, "output"))
    if not output:  # the deltas have all words, also those of a message that was cut
        output = [item for item in done if at(item, "type") != "message" or not any(said)]
    return _reading(response, output, "".join(said), "".join(other), failure)


def prompt(request: Json) -> str:
    """Instructions, the input's words and what earlier tools were given and gave, and the tools' schemas."""
    parts = [string(at(request, "instructions")), string(at(request, "input"))]
    for item in items(at(request, "input")):
        parts.append(words(at(item, "content")))
        parts += [words(at(item, key)) for key in ("arguments", "input", "output", "summary")]
    if tools := at(request, "tools"):
        parts.append(dumped(tools))
    return "\n".join(part for part in parts if part)


def _reading(response: Json, output: list[Json], said: str, other: str, failure: str | None = None) -> Reading:
    messages = [item for item in output if at(item, "type") == "message"]
    calls = [
        text for item in output for key in ("name", "arguments", "input") if (text := string(at(item, key))) is not None
    ]
    return Reading(
        response_model=string(at(response, "model")),
        response_id=string(at(response, "id")),
        finish_reasons=_finish_reasons(response),
        usage_raw=at(response, "usage"),
        units=_units(output),
        price_factors=_price_factors(response, output),
        text="\n".join(text for item in messages if (text := words(at(item, "content")))) or said or None,
        other_output=other or "".join(calls) or None,
        error_type=failure or error_type(response),
    )


def _finish_reasons(response: Json) -> tuple[str, ...]:
    match at(response, "status"):
        case "incomplete":
            return (string(at(response, "incomplete_details", "reason")) or "incomplete",)
        case "completed" | "failed" | "cancelled" as status:
            return (str(status),)
        case _:
            return ()  # queued or in progress: not finished


def _units(output: list[Json]) -> dict[str, Decimal | None]:
    """Built-in tools have fees beside their tokens; the output lists each use. https://openai.com/api/pricing"""
    kinds = [at(item, "type") for item in output]
    used = {
        # Only the search itself is charged, not the pages opened after it.
        "web_searches": sum(
            at(item, "type") == "web_search_call" and at(item, "action", "type") in (None, "search") for item in output
        ),
        "storage_searches": kinds.count("file_search_call"),
    }
    return {unit: Decimal(number) for unit, number in used.items() if number}


def _price_factors(response: Json, output: list[Json]) -> dict[str, str]:
    factors: dict[str, str] = {}
    if tier := string(at(response, "service_tier")):
        factors["service_tier"] = tier
    tools = [string(at(tool, "type")) or "" for tool in items(at(response, "tools"))]
    kinds = [at(item, "type") for item in output]
    if "web_search_call" in kinds and any(tool.startswith("web_search_preview") for tool in tools):
        factors["web_search"] = "preview"
    # Charged by the container, or by the tokens of another model.
    for kind in ("code_interpreter_call", "image_generation_call"):
        if kind in kinds:
            factors["tool"] = kind
    return factors
