"""OpenAI's Live API: a spoken session over a WebSocket, which hands work on to models of text.

The session is one call: its events state the seconds of sound so far, and carry those of the responses that it handed on, with
their tokens. openai 3.54: types/live/server_event.py, session_usage.py, response_event.py, decision_event.py
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import reduce
from itertools import groupby
from typing import Final

from addon.providers import openai_usage
from addon.providers.dialect import openai_error
from addon.providers.fields import amount, at, error_type, items, json_of, string
from addon.providers.framing.table import WEBSOCKET
from addon.providers.model import Event, Json, Operation, Reading, Usage
from addon.providers.openai_responses import FINAL
from addon.providers.shares import added, by_model, share_units
from addon.providers.sockets import OTHER, Said, SocketProtocol, Step, names_once

NAME: Final = "live"
_KEY: Final = "live"  # a socket has one session
_WORDS: Final = "session.output_transcript.delta"
# What the caller gives while the session runs.
_GIVEN: Final = frozenset({"response.item.create", "session.instructions.append", "session.commentary.append"})


def _client(head: Json) -> Said:
    kind = string(at(head, "type")) or ""
    if kind == "session.start":
        return Said(step=Step.ASKS, event_id=string(at(head, "event_id")))
    if kind in _GIVEN:
        return Said(step=Step.ADDS, key=_KEY)
    return Said(step=Step.SOUND) if kind == "session.input_audio.append" else OTHER


def _server(head: Json) -> Said:
    """Sound is not kept: its words are, and its seconds are stated."""
    kind = string(at(head, "type")) or ""
    if kind == "session.started":
        return Said(step=Step.BEGINS, key=_KEY)
    if kind == "session.closed":
        return Said(step=Step.ENDS, key=_KEY)
    if kind == "error":
        return Said(step=Step.FAILS, event_id=string(at(head, "error", "client_event_id")))
    if kind.startswith("session.output_audio") or kind == "session.input_audio.append":
        return OTHER
    return Said(step=Step.GOES_ON, key=_KEY, brings_words=kind == _WORDS)


def _enough(members: Mapping[str, Json], message: bytes, from_client: bool) -> bool:
    """A piece of sound: its last member is long, all others come before it."""
    kind = str(members.get("type", ""))
    return "audio" in kind and (not from_client or names_once(message, b"type"))


def _error(status: int, kind: str, message: str, asked: Said) -> Json:
    error = openai_error(status, kind, message)["error"]
    return {"type": "error", "event_id": "event_heliograph", "error": {**error, "client_event_id": asked.event_id}}


SESSION: Final = SocketProtocol(
    from_client=_client, from_server=_server, is_enough=_enough, has_session=True, error_event=_error
)


def read_stream(events: Iterable[Event]) -> Reading:
    return _read([json_of(event) for event in events])


def read_json(body: Json) -> Reading:
    """One message."""
    return _read([body])


def _read(messages: list[Json]) -> Reading:
    started = [session for one in messages if (session := at(one, "session"))]
    seconds = [at(one, "usage", "seconds") for one in messages if at(one, "usage", "seconds") is not None]
    closed = next((string(at(one, "reason")) for one in messages if at(one, "type") == "session.closed"), None)
    handed_on = [at(one, "event", "response") for one in messages if at(one, "event", "type") in FINAL]
    decided = [at(one, "event", "decision") for one in messages if at(one, "event", "type") == "decision.completed"]
    shares = by_model(
        (string(at(one, "model")) or "unnamed", openai_usage.usage(at(one, "usage")) or Usage()) for one in handed_on
    )
    units: dict[str, Decimal | None] = {"audio_seconds": amount(seconds[-1])} if seconds else {}
    raw = {"seconds": seconds[-1]} if seconds else {}
    # Decisions are charged by a list of their own, and tools by the piece: which of them were used has no price here.
    tools = {kind for one in handed_on for item in items(at(one, "output")) if (kind := _fee(item))}
    factors = {"tool": ",".join(sorted(tools | {"decision" for _ in decided}))} if tools or decided else {}
    return Reading(
        response_model=string(at(started[-1], "model")) if started else None,
        response_id=string(at(started[-1], "id")) if started else None,
        finish_reasons=(closed,) if closed else (),
        usage=reduce(added, shares.values()) if shares else None,
        usage_raw=(raw | ({"responses": [at(one, "usage") for one in handed_on]} if handed_on else {})) or None,
        units=units | share_units(shares),
        price_factors=factors,
        text="\n".join(_turns(messages)) or None,
        error_type=next((error_type(one) for one in messages if at(one, "type") == "error" and not started), None),
    )


def _turns(messages: list[Json]) -> list[str]:
    """What the model said, each time until the other side spoke or work was done."""
    turns: list[str] = []
    for kind, run in groupby((one for one in messages if _parts_turns(one)), key=lambda one: at(one, "type") == _WORDS):
        if kind and (words := "".join(string(at(one, "delta")) or "" for one in run)):
            turns.append(words)
    return turns


def _parts_turns(message: Json) -> bool:
    kind = at(message, "type")
    is_item = kind == "response.event" and at(message, "event", "type") == "response.output_item.done"
    return is_item or kind in (_WORDS, "session.input_transcript.delta", "response.item.create")


def _fee(item: Json) -> str | None:
    """A built-in tool that has a fee beside its tokens."""
    kind = string(at(item, "type")) or ""
    return kind if kind in ("web_search_call", "file_search_call", "code_interpreter_call", "shell_call") else None


def live(base: str) -> Operation:
    """`base` is a regular expression such as `/v1`. A fork of a session is a session as well."""
    return Operation(
        name=NAME,
        path=f"{base}/live/sessions(?:/[^/]+/fork)?/?",
        method="GET",
        json_framing=WEBSOCKET,
        socket=SESSION,
        read_json=read_json,
        read_stream=read_stream,
        source="https://developers.openai.com/api/docs/guides/live",
    )
