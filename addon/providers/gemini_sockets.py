"""Gemini's live sessions over WebSocket: which messages begin and end a turn. https://ai.google.dev/api/live

Protobuf's JSON has names in both spellings (`clientContent`, `client_content`). Names from google-genai 3.4,
types.LiveClientMessage and LiveServerMessage.
"""

from collections.abc import Mapping
from typing import Final

from addon.providers.fields import at, string
from addon.providers.model import Json
from addon.providers.sockets import OTHER, Said, SocketProtocol, Step

NAME: Final = "realtime"


def _client(head: Json) -> Said:
    if setup := at(head, "setup"):
        model = string(at(setup, "model"))
        return Said(step=Step.SETTINGS, models={NAME: model.rpartition("/")[2]} if model else {})
    if content := at(head, "clientContent") or at(head, "client_content"):
        is_whole = at(content, "turnComplete") is True or at(content, "turn_complete") is True
        return Said(step=Step.ASKS if is_whole else Step.INPUT)
    if spoken := at(head, "realtimeInput") or at(head, "realtime_input"):
        return Said(step=Step.INPUT if at(spoken, "text") else Step.SOUND)
    return Said(step=Step.INPUT) if at(head, "toolResponse") or at(head, "tool_response") else OTHER


def _server(head: Json) -> Said:
    content, used = at(head, "serverContent"), at(head, "usageMetadata")
    if at(content, "turnComplete") is True:
        return Said(step=Step.ENDS, more_may_come=used is None)
    speaks = at(content, "modelTurn") is not None or at(content, "outputTranscription") is not None
    if speaks or at(head, "toolCall") is not None:
        return Said(step=Step.BEGINS, brings_words=True)
    if at(content, "interrupted") is True or at(content, "generationComplete") is True:
        return Said(step=Step.GOES_ON)
    if at(content, "inputTranscription") is not None:  # the caller's words, as heard: of the turn that follows
        return Said(step=Step.INPUT)
    return Said(step=Step.ADDS) if used is not None or content is not None else OTHER


def _enough(_members: Mapping[str, Json], _message: bytes, _from_client: bool) -> bool:
    return False  # every member is an object: a large message is parsed whole


def _error(status: int, _error_type: str, message: str, _asked: Said) -> Json:
    """Google's error object. The API itself closes a session with a reason, which a proxy cannot do for one turn."""
    return {"error": {"code": status, "message": message, "status": "RESOURCE_EXHAUSTED"}}


LIVE: Final = SocketProtocol(
    from_client=_client, from_server=_server, is_enough=_enough, has_session=True, error_event=_error
)
