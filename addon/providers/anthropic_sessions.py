"""Sessions of Anthropic's managed agents, as far as their events are streamed. https://platform.claude.com/docs/en/managed-agents/overview

anthropic 2.12, types/beta/sessions: each request to a model states its tokens at its end. No event names the model, and a session
costs by its time as well: such a row has tokens and no cost.
"""

from collections.abc import Iterable, Iterator
from functools import reduce
from typing import Final

from addon.providers import anthropic_usage
from addon.providers.fields import at, count, error_type, json_of, string, words
from addon.providers.framing.model import BYTES_END
from addon.providers.model import Event, Json, Operation, Reading
from addon.providers.polled import under_way
from addon.providers.shares import added

_SPENT: Final = {"span.model_request_end": "model_usage", "span.outcome_evaluation_end": "usage"}


def with_previews(told: Iterable[Json]) -> Iterator[Json]:
    """The events; last those of messages that were previewed in pieces and never came whole. Pieces are sent to a caller that
    asks for them (`event_deltas`), each a block of text with the index of the one that it goes on with."""
    begun: dict[str, dict[int, list[str]]] = {}
    for one in told:
        match string(at(one, "type")):
            case "event_delta":
                blocks = begun.setdefault(string(at(one, "event_id")) or "", {})
                piece = string(at(one, "delta", "content", "text")) or ""
                blocks.setdefault(count(at(one, "delta", "index")) or 0, []).append(piece)
            case "agent.message":
                begun.pop(string(at(one, "id")) or "", None)
        yield one
    for name, blocks in begun.items():
        content: list[Json] = [{"type": "text", "text": "".join(pieces)} for _, pieces in sorted(blocks.items())]
        yield {"type": "agent.message", "id": name, "content": content}


def read_stream(events: Iterable[Event]) -> Reading:
    spent: dict[str, Json] = {}
    said: list[str] = []
    reasons: list[str] = []
    failure: str | None = None
    for data in with_previews(_told(event) for event in events):
        kind = string(at(data, "type")) or ""
        if member := _SPENT.get(kind):
            spent[string(at(data, "id")) or str(len(spent))] = at(data, member)
        elif kind == "agent.message":
            said.append(words(at(data, "content")))
        elif kind == "session.status_idle" and (reason := string(at(data, "stop_reason", "type"))):
            reasons.append(reason)
        elif kind in ("session.error", "error"):
            failure = error_type(data) or string(at(data, "error", "type")) or "error"
    counts = [found for raw in spent.values() if (found := anthropic_usage.usage(raw))]
    reading = Reading(
        finish_reasons=tuple(reasons),
        usage=reduce(added, counts) if counts else None,
        usage_raw={"requests": spent} if spent else None,
        charged_once=f"requests {' '.join(spent)}" if counts else None,
        text="\n".join(filter(None, said)) or None,
        error_type=failure,
    )
    return reading if counts else under_way(reading)


def _told(event: Event) -> Json:
    data = json_of(event)
    return {"type": event.event, **data} if event.event and isinstance(data, dict) else data


def read_json(body: Json) -> Reading:
    """An error."""
    return Reading(error_type=error_type(body))


EVENTS: Final = Operation(
    name="agent_session",
    path="/v1/sessions/[^/]+/(?:threads/[^/]+/)?(?:events/)?stream/?",
    method="GET",
    read_json=read_json,
    terminal=BYTES_END,
    read_stream=read_stream,
    source="https://platform.claude.com/docs/en/managed-agents/events-and-streaming",
)
