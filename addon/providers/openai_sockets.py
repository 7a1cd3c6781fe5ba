"""OpenAI over WebSocket: the Responses API and the Realtime API, which others speak as well.

https://developers.openai.com/api/docs/guides/websocket-mode, the SDK's types `responses_client_event.py` and
`responses_server_event.py`; https://platform.openai.com/docs/api-reference/realtime-server-events
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from addon.providers.dialect import openai_error
from addon.providers.fields import at, string
from addon.providers.model import Json
from addon.providers.sockets import OTHER, Said, SocketProtocol, Step, names_once
from addon.remember import remember_short

# Nearly every message of an answer says no more than this.
_PART: Final = Said(step=Step.GOES_ON)
_WORDS: Final = Said(step=Step.GOES_ON, brings_words=True)
_RESPONSE_ENDS: Final = frozenset({"response.completed", "response.failed", "response.incomplete"})


def _responses_client(head: Json) -> Said:
    match string(at(head, "type")):
        case "response.create":
            return Said(step=Step.ASKS, lane=string(at(head, "stream_id")))
        case "response.steer":  # the response that follows it begins by itself
            return Said(step=Step.INPUT)
    return OTHER


def _responses_server(head: Json) -> Said:
    kind, lane = string(at(head, "type")) or "", string(at(head, "stream_id"))
    if kind == "error":
        is_of_stream = at(head, "sequence_number") is not None
        return Said(step=Step.FAILS, key=lane, lane=lane, is_of_stream=is_of_stream, ends_begun=True)
    if kind in _RESPONSE_ENDS:
        return Said(step=Step.ENDS, key=lane, lane=lane)
    if kind == "response.created":
        return Said(step=Step.BEGINS, key=lane, lane=lane)
    if kind.startswith("response.") and not kind.startswith("response.steer."):
        part = _WORDS if kind.endswith(".delta") else _PART
        return part if lane is None else replace(part, key=lane, lane=lane)
    return OTHER


_BACKSLASH: Final = ord("\\")
_DELTA: Final = re.compile(rb'\{"type":"response\.(?!steer\.)[a-z_.]+\.delta",')


def _responses_delta(message: bytes) -> Said | None:
    """A few words of an answer, as most of its messages are. Of a member that is there twice the last one would count, and
    a backslash may spell another one. (`count` takes a third of the time of `in`.)"""
    if _BACKSLASH in message or not _DELTA.match(message):
        return None
    return _WORDS if message.count(b'"type"') == 1 and not message.count(b'"stream_id"') else None


def _responses_enough(members: Mapping[str, Json], message: bytes, from_client: bool) -> bool:
    """Every member that counts is before the rest, or is not there. A caller may not hide what a message is."""
    if "type" not in members or ("stream_id" not in members and b'"stream_id"' in message):
        return False
    return not from_client or members["type"] == "response.create" or names_once(message, b"type")


def _responses_error(status: int, error_type: str, message: str, asked: Said) -> Json:
    lane = {"stream_id": asked.lane} if asked.lane is not None else {}
    return {"type": "error", "status": status, **openai_error(status, error_type, message), **lane}


RESPONSES: Final = SocketProtocol(
    from_client=_responses_client,
    from_server=_responses_server,
    is_enough=_responses_enough,
    delta=_responses_delta,
    has_session=False,
    error_event=_responses_error,
)

_SETTINGS: Final = frozenset(
    f"{session}.{change}"
    for session in ("session", "transcription_session")
    for change in ("created", "updated", "update")
)
_HEARD: Final = "conversation.item.input_audio_transcription."
TRANSCRIPTION: Final = "transcription"
REALTIME_NAME: Final = "realtime"


def _realtime_client(head: Json) -> Said:
    kind = string(at(head, "type")) or ""
    if kind == "response.create":
        return Said(step=Step.ASKS, event_id=string(at(head, "event_id")))
    if kind in _SETTINGS:
        return _settings(head)
    if kind == "conversation.item.create":
        return Said(step=Step.INPUT)
    return Said(step=Step.SOUND) if kind == "input_audio_buffer.append" else OTHER


@remember_short(256)  # many events say the same of one response
def _parts_of(response_id: str) -> tuple[Said, Said]:
    """What an event says that brings words of this response, and one that does not."""
    key = response_id or None
    return replace(_WORDS, key=key), replace(_PART, key=key)


def _realtime_server(head: Json) -> Said:
    kind = string(at(head, "type")) or ""
    if kind == "response.created":
        return Said(step=Step.BEGINS, key=string(at(head, "response", "id")))
    if kind == "response.done":
        return Said(step=Step.ENDS, key=string(at(head, "response", "id")))
    if kind.startswith("response."):
        words, part = _parts_of(string(at(head, "response_id")) or "")
        return words if kind.endswith(".delta") else part
    if kind.startswith(_HEARD):
        # What was heard is written down by another model, and billed apart.
        step = Step.ENDS if kind.removeprefix(_HEARD) in ("completed", "failed") else Step.BEGINS
        return Said(step=step, key=f"heard {at(head, 'item_id')} {at(head, 'content_index')}", name=TRANSCRIPTION)
    if kind in _SETTINGS:
        return _settings(head)
    if kind == "error":
        return Said(step=Step.FAILS, event_id=string(at(head, "error", "event_id")))
    return OTHER


def _settings(head: Json) -> Said:
    """Today's session has its sound below `audio`; that of the beta has it at the top."""
    session = at(head, "session")
    heard = at(session, "audio", "input", "transcription", "model") or at(session, "input_audio_transcription", "model")
    models = {REALTIME_NAME: string(at(session, "model")), TRANSCRIPTION: string(heard)}
    return Said(step=Step.SETTINGS, models={name: model for name, model in models.items() if model})


def _realtime_enough(members: Mapping[str, Json], message: bytes, from_client: bool) -> bool:
    """A piece of sound: its last member is long, all others come before it."""
    kind = str(members.get("type", ""))
    if from_client:
        return kind == "input_audio_buffer.append" and names_once(message, b"type")
    return kind.endswith(".delta") and "response_id" in members


def _realtime_error(status: int, error_type: str, message: str, asked: Said) -> Json:
    error = openai_error(status, error_type, message)["error"]
    return {"type": "error", "event_id": "event_heliograph", "error": {**error, "event_id": asked.event_id}}


def _cancel(key: str) -> Json:
    return {"type": "response.cancel", "response_id": key}


REALTIME: Final = SocketProtocol(
    from_client=_realtime_client,
    from_server=_realtime_server,
    is_enough=_realtime_enough,
    has_session=True,
    error_event=_realtime_error,
    cancel_event=_cancel,
)
