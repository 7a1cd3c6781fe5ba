"""Gemini's Interactions API: models and agents, in JSON and in server-sent events.

https://ai.google.dev/api/interactions-api; names from google-genai 3.4, _gaos/types/interactions.
"""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Final

from addon.providers.fields import at, count, dumped, error_type, items, json_of, prompt_of, string
from addon.providers.gemini_usage import MODALITIES, Units, is_billed_per_prompt, service_tier
from addon.providers.model import Event, Json, Operation, Reading, Terminal, Usage
from addon.providers.polled import under_way

# `interaction.complete` is what the first revisions of the API called it.
UNDER_WAY: Final = ("in_progress", "queued")
TERMINAL: Final = Terminal(
    anywhere=rb'"event_type"\s*:\s*"interaction\.completed?"',
    line_start=rb"(?:event: ?interaction\.completed?\b|data: ?\[DONE\])",
)
_PARTS: Final = (
    ("input_tokens_by_modality", "input_{}_tokens"),
    ("tool_use_tokens_by_modality", "input_{}_tokens"),
    ("cached_tokens_by_modality", "cache_{}_read_tokens"),
    ("output_tokens_by_modality", "output_{}_tokens"),
)
_SEARCHES: Final = {"google_search": "web_searches", "google_maps": "map_searches", "retrieval": "storage_searches"}
_FAILED: Final = {"failed", "budget_exceeded", "cancelled"}


def usage(raw: Json) -> Usage | None:
    """Counted as by generateContent: thoughts beside the output, tools' prompts beside the input, cached tokens inside."""
    given, output = count(at(raw, "total_input_tokens")), count(at(raw, "total_output_tokens"))
    thoughts = count(at(raw, "total_thought_tokens"))
    if thoughts is None:
        thoughts = count(at(raw, "total_reasoning_tokens"))
    if given is None and output is None:
        return None
    return Usage(
        input_tokens=None if given is None else given + (count(at(raw, "total_tool_use_tokens")) or 0),
        cache_read_input_tokens=count(at(raw, "total_cached_tokens")),
        output_tokens=None if output is None else output + (thoughts or 0),
        reasoning_output_tokens=thoughts,
    )


def read_json(body: Json) -> Reading:
    """An interaction, or an error body. One that runs in the background has no usage yet."""
    contents = [content for step in items(at(body, "steps")) for content in items(at(step, "content"))]
    contents += items(at(body, "outputs"))
    said = "".join(string(at(content, "text")) or "" for content in contents)
    reading = _reading(body, said or string(at(body, "output_text")) or "", "", None)
    return under_way(reading) if at(body, "status") in UNDER_WAY and not reading.usage_raw else reading


def read_stream(events: Iterable[Event]) -> Reading:
    """`interaction.created`, steps in deltas, `interaction.completed` with the usage."""
    interaction: dict[str, Json] = {}
    said: list[str] = []
    other: list[str] = []
    failure: str | None = None
    for event in events:
        data = json_of(event)
        if isinstance(told := at(data, "interaction"), dict):
            interaction |= {key: value for key, value in told.items() if value is not None}
        if string(at(data, "status")):
            interaction["status"] = at(data, "status")
        if used := at(data, "metadata", "total_usage"):
            interaction.setdefault("usage", used)
        if at(data, "error") or at(data, "event_type") == "error":
            failure = error_type(data) or "error"
        delta = at(data, "delta")
        (other if "thought" in (string(at(delta, "type")) or "") else said).append(string(at(delta, "text")) or "")
        other += [dumped(call) for key in ("arguments", "partial_arguments") if (call := at(delta, key))]
        other.append(string(at(delta, "content", "text")) or "")
    return _reading(interaction, "".join(said), "".join(other), failure)


def prompt(request: Json) -> str:
    """The input (text, contents or steps), the system instruction and the tools."""
    given = at(request, "input")
    parts = [given if isinstance(given, str) else "", string(at(request, "system_instruction")) or ""]
    for item in items(given):
        parts.append(string(at(item, "text")) or "")
        parts += [string(at(part, "text")) or "" for part in items(at(item, "content"))]
    return prompt_of(parts, at(request, "tools"))


def read_retrieved(body: Json) -> Reading:
    """An interaction that is fetched; one that has not finished costs nothing yet."""
    reading = read_json(body)
    return reading if reading.usage_raw or reading.finish_reasons else under_way(reading, is_look=True)


def read_decisions(body: Json) -> Reading:
    """`{"answers": {...}, "usage"}`, charged by the input alone. `_gaos/types/decisions/createdecisionresponse.py`"""
    return replace(_reading(body, "", "", None), units={})


def operations(base: str) -> tuple[Operation, ...]:
    create = Operation(
        name="interactions",
        path=f"{base}/interactions/?",
        terminal=TERMINAL,
        read_json=read_json,
        read_stream=read_stream,
        prompt_text=prompt,
    )
    retrieve = replace(create, read_json=read_retrieved, prompt_text=None)
    return (
        create,
        # One that runs in the background, as agents do, states its usage where it is fetched.
        replace(retrieve, name="retrieve_interaction", method="GET", path=f"{base}/interactions/[^/]+"),
        replace(retrieve, name="cancel_interaction", path=f"{base}/interactions/[^/]+/cancel"),
        Operation(name="decisions", path=f"{base}/decisions/?", read_json=read_decisions, prompt_text=prompt),
    )


def _reading(body: Json, said: str, other: str, failure: str | None) -> Reading:
    raw, status = at(body, "usage"), string(at(body, "status"))
    tier = service_tier(string(at(body, "service_tier")))
    model, name = string(at(body, "model")) or string(at(body, "agent")), string(at(body, "id"))
    return Reading(
        response_model=model,
        response_id=name,
        finish_reasons=(status,) if status and status not in UNDER_WAY else (),
        usage=usage(raw),
        usage_raw=raw,
        units=_units(raw, model),
        charged_once=f"interaction {name}" if raw and name else None,
        price_factors={"service_tier": tier} if tier else {},
        text=said or None,
        other_output=other or None,
        error_type=failure or error_type(body) or _failed(body, status),
    )


def _failed(body: Json, status: str | None) -> str | None:
    return (string(at(body, "errors", 0, "code")) or status) if status in _FAILED else None


def _units(raw: Json, model: str | None) -> Units:
    found: Units = {}
    for key, unit in _PARTS:
        for part in items(at(raw, key)):
            modality = MODALITIES.get((string(at(part, "modality")) or "").upper())
            if modality and (number := count(at(part, "tokens"))):
                name = unit.format(modality)
                found[name] = (found.get(name) or Decimal(0)) + number
    for tool in items(at(raw, "grounding_tool_count")):
        kind = string(at(tool, "type")) or "unnamed"
        if number := count(at(tool, "count")):
            found[_SEARCHES.get(kind, kind)] = Decimal(1 if is_billed_per_prompt(model) else number)
    return found
