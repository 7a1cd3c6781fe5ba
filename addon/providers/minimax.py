"""MiniMax: OpenAI's and Anthropic's shape, and its own for speech. https://platform.minimax.io/docs/api-reference

Errors come with HTTP 200 and `base_resp.status_code`: https://platform.minimax.io/docs/api-reference/errorcode
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from addon.providers import anthropic_shaped, media, openai_shaped, openai_usage
from addon.providers.fields import at, count, error_type, json_of, string
from addon.providers.model import Event, Json, Operation, Provider, Reading, Terminal, Usage

_FAILED: Final = rb'"status_code"\s*:\s*[1-9]'
CHAT_END: Final = Terminal(line_start=openai_shaped.DONE.line_start, anywhere=_FAILED)
SPEECH_END: Final = Terminal(anywhere=_FAILED, ends_with_bytes=True)
_CHINA: Final = frozenset({"api.minimaxi.com", "api-bj.minimaxi.com", "api.minimax.chat"})  # priced in yuan


def complete(reading: Reading, chunks: Sequence[Json]) -> Reading:
    return replace(reading, error_type=reading.error_type or _failure(chunks))


def _failure(chunks: Iterable[Json]) -> str | None:
    codes = (count(at(chunk, "base_resp", "status_code")) for chunk in chunks)
    return next((str(code) for code in codes if code), None)


def read_speech(body: Json) -> Reading:
    return _speech([body])


def read_speech_stream(events: Iterable[Event]) -> Reading:
    return _speech([json_of(event) for event in events])


def _speech(chunks: Sequence[Json]) -> Reading:
    """`extra_info.usage_characters`: what is billed. https://platform.minimax.io/docs/api-reference/speech-t2a-http"""
    failure = _failure(chunks) or next((word for chunk in chunks if (word := error_type(chunk))), None)
    stated = [n for chunk in chunks if (n := count(at(chunk, "extra_info", "usage_characters"))) is not None]
    raw = next((info for chunk in reversed(chunks) if (info := at(chunk, "extra_info"))), None)
    units: dict[str, Decimal | None] = {}
    if not failure:
        units["input_characters"] = Decimal(stated[-1]) if stated else None
    identity = next((name for chunk in chunks if (name := string(at(chunk, "trace_id")))), None)
    return Reading(response_id=identity, usage_raw=raw, units=units, error_type=failure)


def read_images(body: Json) -> Reading:
    made = count(at(body, "metadata", "success_count"))
    return Reading(
        response_id=string(at(body, "id")),
        units={"images": Decimal(made)} if made else {},
        error_type=_failure([body]) or error_type(body),
    )


def read_embeddings(body: Json) -> Reading:
    """{"vectors": [...], "total_tokens"}, or OpenAI's shape."""
    tokens = count(at(body, "total_tokens"))
    reading = openai_shaped.read_json(body)
    usage = Usage(input_tokens=tokens) if tokens is not None else openai_usage.usage(reading.usage_raw)
    return replace(reading, usage=usage, error_type=_failure([body]) or reading.error_type)


def read_video(body: Json) -> Reading:
    """`{task_id, base_resp}`: the job that makes it."""
    reading = media.read_job(body)
    return replace(reading, error_type=_failure([body]) or reading.error_type)


def read_music(body: Json) -> Reading:
    """`{data: {audio, status}, trace_id, base_resp}`"""
    failure = _failure([body]) or error_type(body)
    units: dict[str, Decimal | None] = {} if failure else {"songs": Decimal(1)}
    return Reading(response_id=string(at(body, "trace_id")), units=units, error_type=failure)


def in_china(host: str, _path: str) -> str | None:
    return "cn" if host in _CHINA else None


_OPENAI: Final = openai_shaped.operations("/v1", "chat", "responses", complete=complete)
_CHAT: Final = replace(_OPENAI[0], terminal=CHAT_END)

PROVIDER: Final = Provider(
    name="minimax",
    origin="https://api.minimax.io",
    hosts=("api.minimax.io", "api-uw.minimax.io", "api.minimaxi.com", "api-bj.minimaxi.com", "api.minimax.chat"),
    operations=(
        _CHAT,
        *_OPENAI[1:],
        replace(_CHAT, path="/v1/text/chatcompletion(?:_v2|_pro)?/?"),
        anthropic_shaped.messages("/anthropic/v1/messages", complete),
        Operation(
            name="speech",
            path="/v1/t2a(?:_v2|_pro)?/?",
            read_json=read_speech,
            terminal=SPEECH_END,
            read_stream=read_speech_stream,
        ),
        Operation(name="image_generation", path="/v1/image_generation/?", read_json=read_images),
        # v1 as in build/api/video.js of npm's minimax-mcp-js 0.0.18, MiniMax's own; v2 by the address of its query:
        # https://platform.minimax.io/docs/api-reference/video-generation-v2-query
        Operation(
            name="video_generation",
            path="/v[12]/video_generation/?",
            read_json=read_video,
            with_request=media.of_video,
        ),
        # https://platform.minimax.io/docs/api-reference/music-generation
        Operation(name="music_generation", path="/v1/music_generation/?", read_json=read_music),
        Operation(name="embeddings", path="/v1/embeddings/?", read_json=read_embeddings),
    ),
    prices="minimax",
    region=in_china,
    source="https://platform.minimax.io/docs/api-reference",
)
