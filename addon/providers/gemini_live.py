"""The Live API: JSON messages over a WebSocket, a row for each turn. https://ai.google.dev/api/live

Names from google-genai 3.4, types.LiveServerMessage: `serverContent`, `toolCall`, `usageMetadata`.
"""

from collections.abc import Iterable
from typing import Final

from addon.providers.fields import at, dumped, error_type, items, json_of, string
from addon.providers.framing.table import WEBSOCKET
from addon.providers.gemini_sockets import LIVE
from addon.providers.gemini_usage import is_provisioned, price_factors, searches, token_parts, usage
from addon.providers.model import Event, Json, Operation, Reading, Terminal

TERMINAL: Final = Terminal(anywhere=rb'"turnComplete"\s*:\s*true')


def read_stream(events: Iterable[Event]) -> Reading:
    """The messages of one turn, those of the client may be among them. `usageMetadata` says what the turn used so far."""
    said: list[str] = []
    other: list[str] = []
    groundings: list[Json] = []
    reasons: tuple[str, ...] = ()
    raw: Json = None
    model = failure = None
    for event in events:
        message = json_of(event)
        model = string(at(message, "setup", "model")) or model
        raw = at(message, "usageMetadata") or raw
        failure = error_type(message) or failure
        content = at(message, "serverContent")
        for part in items(at(content, "modelTurn", "parts")):
            (other if at(part, "thought") is True else said).append(string(at(part, "text")) or "")
        said.append(string(at(content, "outputTranscription", "text")) or "")
        other += [dumped(call) for call in items(at(message, "toolCall", "functionCalls"))]
        if grounding := at(content, "groundingMetadata"):
            groundings.append(grounding)
        if at(content, "interrupted") is True:
            reasons = ("interrupted",)
        elif reason := string(at(content, "turnCompleteReason")):
            reasons = (reason,)
    return Reading(
        response_model=model.rpartition("/")[2] if model else None,
        finish_reasons=reasons,
        usage=usage(raw),
        usage_raw=raw,
        units=token_parts(raw) | searches(groundings, model),
        price_factors=price_factors(raw),
        paid_by_plan=is_provisioned(raw),
        text="".join(said) or None,
        other_output="".join(other) or None,
        error_type=failure,
    )


def operation(path: str) -> Operation:
    return Operation(
        name="realtime",
        path=path,
        method="GET",
        json_framing=WEBSOCKET,
        socket=LIVE,
        terminal=TERMINAL,
        read_stream=read_stream,
    )
