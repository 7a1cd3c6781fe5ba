"""Sessions of OpenAI's hosted agents, as far as their events are streamed. openai 3.54: types/beta/agent_session_event.py

A turn states its tokens at its end, those of each sub-agent in turns of their own. Only the event that begins a session names
the model.
"""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from functools import reduce
from typing import Final

from addon.providers import openai_usage
from addon.providers.fields import at, count, error_type, json_of, string, words
from addon.providers.framing.model import BYTES_END
from addon.providers.model import Event, Json, Operation, Reading
from addon.providers.polled import under_way
from addon.providers.shares import added

_TURN: Final = "agent.session.turn."
_ENDS: Final = frozenset({"completed", "failed", "cancelled"})


def read_session(body: Json) -> Reading:
    """The answer to a request without a stream: a session that works on in the background, or an error."""
    reading = Reading(
        response_model=string(at(body, "agent", "model")),
        response_id=string(at(body, "id")),
        error_type=error_type(body),
    )
    return under_way(reading) if reading.response_id and not reading.error_type else reading


def said_by_item(told: Iterable[Json]) -> dict[str, str]:
    """The agent's words by the item that has them, in the order of their first: in pieces, and once more at its end. A caller
    that joins late sees the end alone."""
    said: dict[str, dict[int, list[str]]] = {}  # by item, then by the index of its content
    for one in told:
        item = at(one, "item")
        match string(at(one, "type")):
            case "agent.session.turn.output_text.delta":
                blocks = said.setdefault(string(at(one, "item_id")) or "", {})
                blocks.setdefault(count(at(one, "content_index")) or 0, []).append(string(at(one, "delta")) or "")
            case "agent.session.turn.item.done" if at(item, "type") == "message" and at(item, "role") == "assistant":
                said[string(at(item, "id")) or ""] = {0: [words(at(item, "content"))]}
    whole = {
        name: "\n".join(filter(None, ("".join(blocks[index]) for index in sorted(blocks))))
        for name, blocks in said.items()
    }
    return {name: spoken for name, spoken in whole.items() if spoken}


def read_stream(events: Iterable[Event]) -> Reading:
    told = [json_of(event) for event in events]
    session = next((at(one, "session") for one in told if isinstance(at(one, "session"), dict)), None)
    used: dict[str, Json] = {}
    reasons: dict[str, str] = {}
    failure: str | None = None
    units: dict[str, Decimal | None] = {}
    for one in told:
        kind = string(at(one, "type")) or ""
        turn = string(at(one, "turn", "id")) or string(at(one, "turn_id")) or ""
        if kind.startswith(_TURN) and kind.removeprefix(_TURN) in _ENDS:
            used[turn] = at(one, "usage") or at(one, "turn", "usage")
            reasons[turn] = kind.removeprefix(_TURN)
            failure = string(at(one, "turn", "error", "code")) or failure
        elif kind == f"{_TURN}item.done" and at(one, "item", "type") == "web_search_call":
            units["web_searches"] = (units.get("web_searches") or Decimal(0)) + 1
        elif kind.startswith("agent.session.environment."):
            units["container_sessions"] = None  # a machine by the hour, for a time that no event tells
        elif kind in ("error", "agent.session.failed", "agent.session.error"):
            failure = error_type(one) or string(at(one, "error", "code")) or "error"
    counts = [found for raw in used.values() if (found := openai_usage.usage(raw))]
    tier = string(at(session, "agent", "service_tier"))
    reading = Reading(
        response_model=string(at(session, "agent", "model")),
        response_id=string(at(session, "id"))
        or next(filter(None, (string(at(one, "session_id")) for one in told)), None),
        finish_reasons=tuple(reasons.values()),
        usage=reduce(added, counts) if counts else None,
        usage_raw={"turns": used} if used else None,
        units=units,
        price_factors={"service_tier": tier} if tier and counts else {},
        charged_once=f"turns {' '.join(used)}" if counts else None,
        text="\n".join(said_by_item(told).values()) or None,
        error_type=failure,
    )
    return reading if counts else under_way(reading)


def operations(base: str) -> tuple[Operation, ...]:
    """`base`: a regular expression such as `/v1`."""
    begun = Operation(
        name="agent_session",
        path=f"{base}/agents/sessions/?",
        read_json=read_session,
        terminal=BYTES_END,
        read_stream=read_stream,
        source="openai 3.54, resources/beta/agents/sessions",
    )
    return begun, replace(begun, path=f"{base}/agents/sessions/[^/]+/events/?", method="GET")
