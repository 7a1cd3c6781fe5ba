"""Mistral's transcription while somebody speaks, over a WebSocket: one row a session.

mistralai 3.7: extra/realtime/transcription.py and connection.py, client/models/transcriptionstreamdone.py
"""

from collections.abc import Mapping
from typing import Final

from addon.providers.fields import at, string
from addon.providers.model import Json
from addon.providers.sockets import OTHER, Said, SocketProtocol, Step, names_once, speaker

_KEY: Final = "transcription"  # a socket has one session
_SOUND: Final = "input_audio.append"


def _server(head: Json) -> Said:
    kind = string(at(head, "type")) or ""
    if kind == "session.created":
        return Said(step=Step.BEGINS, key=_KEY)
    if kind == "transcription.done":
        return Said(step=Step.ENDS, key=_KEY)
    if kind == "error":
        return Said(step=Step.FAILS, ends_begun=True)
    if kind.startswith("transcription."):
        return Said(step=Step.GOES_ON, key=_KEY, brings_words=kind == "transcription.text.delta")
    return OTHER


def _enough(members: Mapping[str, Json], message: bytes, from_client: bool) -> bool:
    """A piece of sound: its last member is long."""
    return from_client and members.get("type") == _SOUND and names_once(message, b"type")


def _error(status: int, error_type: str, message: str, _asked: Said) -> Json:
    return {"type": "error", "error": {"message": message, "code": status, "type": error_type}}


SESSION: Final = SocketProtocol(
    from_client=speaker(_SOUND), from_server=_server, is_enough=_enough, has_session=True, error_event=_error
)
