"""OpenAI's Responses API: `POST /v1/responses`, JSON and stream.

https://platform.openai.com/docs/api-reference/responses and .../responses-streaming
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from addon.providers import openai_images, openai_tools
from addon.providers.fields import at, error_type, items, json_of, prompt_of, string, words
from addon.providers.framing.model import BodyEvents
from addon.providers.model import Asked, Event, Json, Reading, Terminal
from addon.providers.polled import found_done, under_way

TERMINAL: Final = Terminal(
    line_start=rb'(?:event: ?|data: ?\{\s*"type"\s*:\s*")response\.(?:completed|failed|incomplete)(?=["\s]|$)'
)
FINAL: Final = frozenset({"response.completed", "response.failed", "response.incomplete"})
UNDER_WAY: Final = ("queued", "in_progress")
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
    """A response object, or an error body. Of one that runs in the background there is no usage yet."""
    reading = _reading(body, items(at(body, "output")), "", "")
    return under_way(reading) if at(body, "status") in UNDER_WAY else reading


def read_retrieved(body: Json) -> Reading:
    """A response that is fetched again."""
    return _looked_at(read_json(body), body)


def read_retrieved_stream(events: Iterable[Event]) -> Reading:
    """The events of a response from the background, from the first or from `starting_after` on."""
    seen = list(events)
    heads = [response for event in seen if (response := at(json_of(event), "response"))]
    return _looked_at(read_stream(seen), heads[-1] if heads else None)


def _looked_at(reading: Reading, response: Json) -> Reading:
    """What a response used was charged where it was made, unless that was in the background: then the call that started
    it said nothing of its usage. https://developers.openai.com/api/docs/guides/background"""
    if at(response, "status") in UNDER_WAY:
        return under_way(reading, is_look=True)
    if string(at(response, "status")) is None or at(response, "background") is not True:
        return replace(reading, is_free=True)
    return _once(reading) if reading.usage_raw else reading


def _once(reading: Reading) -> Reading:
    return found_done(reading, f"response {reading.response_id}")


def read_stream(events: Iterable[Event]) -> Reading:
    """The final event carries the whole response; deltas count where it never came, or came without its output.

    One that runs in the background may be fetched later as well.
    """
    seen = BodyEvents.of(events)
    return _read_final(seen) or _read_deltas(seen)


def _read_final(events: BodyEvents) -> Reading | None:
    """Of a response that was completed: read without parsing its deltas. None where these may tell more."""
    for event in reversed(events.last(2)):
        data = json_of(event)
        if at(data, "type") == "response.completed":
            response = at(data, "response")
            reading = _reading(response, items(at(response, "output")), "", "")
            return _once_of(reading, response) if reading.text and reading.usage_raw else None
    return None


def _read_deltas(events: Iterable[Event]) -> Reading:
    response: Json = None
    done: list[Json] = []  # finished items of the output
    said, other, failure = [], [], None
    for event in events:
        data = json_of(event)
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
    return _once_of(_reading(response, output, "".join(said), "".join(other), failure), response)


def _once_of(reading: Reading, response: Json) -> Reading:
    """Of a stream. A response that is made for it alone ends with it; one in the background goes on."""
    if at(response, "background") is not True:
        return reading
    if at(response, "status") in UNDER_WAY:
        return under_way(reading)
    return _once(reading) if reading.usage_raw else reading


def with_request(reading: Reading, asked: Asked) -> Reading:
    """A container for code may be one that an earlier response made, and paid for."""
    if "container_sessions" not in reading.units:
        return reading
    if at(asked.body, "previous_response_id") or at(asked.body, "conversation"):
        return replace(reading, units=reading.units | {"container_sessions": None})
    return reading


def prompt(request: Json) -> str:
    """Instructions, the input's words and what earlier tools were given and gave, and the tools' schemas."""
    parts = [string(at(request, "instructions")), string(at(request, "input"))]
    for item in items(at(request, "input")):
        parts.append(words(at(item, "content")))
        parts += [words(at(item, key)) for key in ("arguments", "input", "output", "summary")]
    return prompt_of(parts, at(request, "tools"))


def _reading(response: Json, output: list[Json], said: str, other: str, failure: str | None = None) -> Reading:
    messages = [item for item in output if at(item, "type") == "message"]
    calls = [
        text for item in output for key in ("name", "arguments", "input") if (text := string(at(item, key))) is not None
    ]
    reading = Reading(
        response_model=string(at(response, "model")),
        response_id=string(at(response, "id")),
        finish_reasons=_finish_reasons(response),
        usage_raw=at(response, "usage"),
        units=openai_tools.units(response, output),
        price_factors=openai_tools.price_factors(response, output),
        text="\n".join(text for item in messages if (text := words(at(item, "content")))) or said or None,
        other_output=other or "".join(calls) or None,
        error_type=failure or error_type(response),
    )
    return openai_images.with_authors(reading, [at(item, "svg_usage") for item in output])


def _finish_reasons(response: Json) -> tuple[str, ...]:
    match at(response, "status"):
        case "incomplete":
            return (string(at(response, "incomplete_details", "reason")) or "incomplete",)
        case "completed" | "failed" | "cancelled" as status:
            return (str(status),)
        case _:
            return ()  # queued or in progress: not finished
