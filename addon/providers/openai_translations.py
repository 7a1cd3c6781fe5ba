"""OpenAI's sessions that translate speech while it is spoken: one row a session.

openai 3.54: types/realtime/realtime_translation_server_event.py, resources/realtime/translations. No event states what was used:
the session is charged by its minutes of sound.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from addon.providers import openai_live
from addon.providers.fields import at, string
from addon.providers.framing.table import WEBSOCKET
from addon.providers.model import Event, Json, Operation, Reading
from addon.providers.sockets import OTHER, Said, Step, speaker

_KEY: Final = "translation"  # a socket has one session


def _server(head: Json) -> Said:
    """Sound is not kept: its words are."""
    match string(at(head, "type")):
        case "session.created":
            return Said(step=Step.BEGINS, key=_KEY)
        case "session.closed":
            return Said(step=Step.ENDS, key=_KEY)
        case "error":
            return Said(step=Step.FAILS, event_id=string(at(head, "error", "event_id")))
        case "session.output_transcript.delta":
            return Said(step=Step.GOES_ON, key=_KEY, brings_words=True)
        case "session.input_transcript.delta":
            return Said(step=Step.GOES_ON, key=_KEY)
    return OTHER


SESSION: Final = replace(
    openai_live.SESSION, from_client=speaker("session.input_audio_buffer.append"), from_server=_server
)


def read_stream(events: Iterable[Event]) -> Reading:
    return _timed(openai_live.read_stream(events))


def read_json(body: Json) -> Reading:
    """One message."""
    return _timed(openai_live.read_json(body))


def _timed(reading: Reading) -> Reading:
    return replace(reading, units={"audio_seconds": None}) if reading.response_id else reading


def translations(base: str) -> Operation:
    """`base`: a regular expression such as `/v1`."""
    return Operation(
        name="live",
        path=f"{base}/realtime/translations/?",
        method="GET",
        json_framing=WEBSOCKET,
        socket=SESSION,
        read_json=read_json,
        read_stream=read_stream,
        source="https://developers.openai.com/api/docs/guides/realtime-translation",
    )
