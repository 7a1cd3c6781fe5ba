"""OpenAI's realtime sessions, and its other calls over WebSocket: what their messages say of usage.

https://platform.openai.com/docs/api-reference/realtime-server-events; usage as in the SDK's types
`realtime_response_usage.py` and `conversation_item_input_audio_transcription_completed_event.py`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

from addon.providers import openai_usage
from addon.providers.completed import Complete
from addon.providers.fields import at, count, items, json_of, string, words
from addon.providers.framing.table import WEBSOCKET
from addon.providers.model import Event, Json, Operation, Reading, Usage
from addon.providers.openai_responses import prompt as responses_prompt
from addon.providers.openai_shaped import operations
from addon.providers.openai_sockets import REALTIME, REALTIME_NAME, RESPONSES

_HEARD: Final = "conversation.item.input_audio_transcription.completed"
# Of today's API and of the beta.
_WORDS: Final = frozenset(
    {
        *("response.output_text.delta", "response.text.delta"),
        *("response.output_audio_transcript.delta", "response.audio_transcript.delta"),
    }
)
_SOUND: Final = frozenset({"response.output_audio.delta", "response.audio.delta"})


def usage(raw: Json) -> Usage | None:
    """Cached tokens are inside the totals, as ours are. https://platform.openai.com/docs/guides/realtime-costs"""
    stated = Usage(
        input_tokens=count(at(raw, "input_tokens")),
        cache_read_input_tokens=count(at(raw, "input_token_details", "cached_tokens")),
        output_tokens=count(at(raw, "output_tokens")),
    )
    return stated if stated.input_tokens is not None or stated.output_tokens is not None else None


def _parts(raw: Json) -> dict[str, Decimal | None]:
    """Sound and images. A stated 0 of cached ones is kept: it says which of the cached tokens were words."""
    parts = openai_usage.token_parts(raw)
    details = at(raw, "input_token_details")
    for kind in ("audio", "image"):
        cached = count(at(details, "cached_tokens_details", f"{kind}_tokens"))
        if cached is None and at(details, "cached_tokens") == 0:
            cached = 0
        if f"input_{kind}_tokens" in parts and cached is not None:
            parts[f"cache_{kind}_read_tokens"] = Decimal(cached)
    return parts


@dataclass(slots=True)
class _Heard:
    """What the messages of one response said."""

    said: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    sound: bool = False
    response: Json = None
    used: Json = None
    transcript: Json = None
    failure: str | None = None

    def add(self, message: Json) -> None:
        kind = string(at(message, "type")) or ""
        if kind in _WORDS:
            self.said.append(string(at(message, "delta")) or "")
        elif kind == "response.function_call_arguments.delta":
            self.other.append(string(at(message, "delta")) or "")
        elif kind in _SOUND:
            self.sound = True
        elif kind in ("response.created", "response.done"):
            self.response = at(message, "response")
            self.used = at(self.response, "usage") or at(message, "usage")  # xAI has it beside the response
        elif kind == _HEARD:
            self.transcript = message
        elif error := at(message, "error"):
            self.failure = string(at(error, "code")) or string(at(error, "type")) or "error"


def read_stream(events: Iterable[Event]) -> Reading:
    """One response, or one transcript of what was heard."""
    return _read(json_of(event) for event in events)


def read_json(body: Json) -> Reading:
    """One message."""
    return _read([body])


def _read(messages: Iterable[Json]) -> Reading:
    heard = _Heard()
    for message in messages:
        heard.add(message)
    return _of_transcript(heard) if heard.transcript is not None else _of_response(heard)


def _of_response(heard: _Heard) -> Reading:
    response = heard.response
    raw = heard.used
    stated = usage(raw)
    units = _parts(raw)
    if stated is None and heard.sound:
        units = {"output_audio_tokens": None}  # it spoke; for how many tokens nobody says
    error = at(response, "status_details", "error")
    return Reading(
        response_id=string(at(response, "id")),
        finish_reasons=_finish_reasons(response),
        usage=stated,
        usage_raw=raw,
        units=units,
        text="".join(heard.said) or _words_of(response) or None,
        other_output="".join(heard.other) or None,
        error_type=heard.failure or string(at(error, "code")) or string(at(error, "type")),
    )


def _words_of(response: Json) -> str:
    parts = [part for item in items(at(response, "output")) for part in items(at(item, "content"))]
    return "\n".join(text for part in parts if (text := string(at(part, "transcript")) or words([part])))


def _finish_reasons(response: Json) -> tuple[str, ...]:
    """The reason, where a response was cancelled or cut short; else its status."""
    status = string(at(response, "status"))
    if status is None or status == "in_progress":
        return ()
    return (string(at(response, "status_details", "reason")) or status,)


def _of_transcript(heard: _Heard) -> Reading:
    """Billed by the tokens or by the seconds of the model that listens."""
    raw = at(heard.transcript, "usage")
    seconds = at(raw, "seconds")
    units: dict[str, Decimal | None] = dict(_parts(raw))
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds >= 0:
        units["audio_seconds"] = Decimal(str(seconds))
    return Reading(
        response_id=string(at(heard.transcript, "item_id")),
        usage=usage(raw),
        usage_raw=raw,
        units=units,
        text=string(at(heard.transcript, "transcript")),
    )


def is_prewarm(request: Json) -> bool:
    """It only prepares the state of a later response, and generates nothing. Codex begins each socket with one."""
    return at(request, "generate") is False or at(request, "prompt_cache_options", "prewarm") is True


def _prompt(request: Json) -> str:
    """What a preparation counts as input is for the provider to say: it is not estimated."""
    return "" if is_prewarm(request) else responses_prompt(request)


def responses_over_socket(
    base: str, read_usage: Callable[[Json], Usage | None] = openai_usage.usage, complete: Complete | None = None
) -> Operation:
    """`base` is a regular expression such as `/v1`; the others as of `openai_shaped.operations`."""
    (responses,) = operations(base, "responses", read_usage=read_usage, complete=complete)
    return replace(
        responses,
        method="GET",
        json_framing=WEBSOCKET,
        terminal=None,  # the socket's protocol knows the end
        socket=RESPONSES,
        prompt_text=_prompt,
        row_name=lambda request: "prewarm" if is_prewarm(request) else None,
        source="https://developers.openai.com/api/docs/guides/websocket-mode",
    )


def realtime(base: str) -> Operation:
    return Operation(
        name=REALTIME_NAME,
        path=f"{base}/realtime/?",
        method="GET",
        json_framing=WEBSOCKET,
        socket=REALTIME,
        read_json=read_json,
        read_stream=read_stream,
        source="https://platform.openai.com/docs/api-reference/realtime-server-events",
    )
