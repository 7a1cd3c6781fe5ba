"""Sessions of Anthropic's managed agents, as far as their events are streamed. https://platform.claude.com/docs/en/managed-agents/overview

anthropic 2.12, types/beta/sessions: each request to a model states its tokens at its end. No event names the model, and a session
costs by its time as well: such a row has tokens and no cost.
"""

from collections.abc import Iterable
from functools import reduce
from typing import Final

from addon.providers import anthropic_usage
from addon.providers.fields import at, error_type, json_of, string, words
from addon.providers.framing.model import BYTES_END
from addon.providers.model import Event, Json, Operation, Reading
from addon.providers.shares import added

_SPENT: Final = {"span.model_request_end": "model_usage", "span.outcome_evaluation_end": "usage"}


def read_stream(events: Iterable[Event]) -> Reading:
    spent: dict[str, Json] = {}
    said: list[str] = []
    reasons: list[str] = []
    failure: str | None = None
    for event in events:
        data = json_of(event)
        kind = string(at(data, "type")) or event.event or ""
        if member := _SPENT.get(kind):
            spent[string(at(data, "id")) or str(len(spent))] = at(data, member)
        elif kind == "agent.message":
            said.append(words(at(data, "content")))
        elif kind == "session.status_idle" and (reason := string(at(data, "stop_reason", "type"))):
            reasons.append(reason)
        elif kind in ("session.error", "error"):
            failure = error_type(data) or string(at(data, "error", "type")) or "error"
    counts = [found for raw in spent.values() if (found := anthropic_usage.usage(raw))]
    return Reading(
        finish_reasons=tuple(reasons),
        usage=reduce(added, counts) if counts else None,
        usage_raw={"requests": spent} if spent else None,
        charged_once=f"requests {' '.join(spent)}" if counts else None,
        text="\n".join(filter(None, said)) or None,
        error_type=failure,
    )


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
