"""Alibaba's DashScope (Model Studio): OpenAI's and Anthropic's shape, and its own below /api/v1/services.

https://www.alibabacloud.com/help/en/model-studio/use-qwen-by-calling-api; fields: its SDK, dashscope/api_entities.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import reduce
from typing import Final

from addon.providers import anthropic_shaped, media, openai_shaped, openai_usage
from addon.providers.fields import at, count, error_type, items, json_of, string, words
from addon.providers.model import Asked, Event, Json, Operation, Provider, Reading, Terminal, Usage
from addon.providers.openai_realtime import realtime
from addon.providers.polled import charged_by_path, under_way
from addon.providers.shares import added, by_model, share_units

# Prices of hosts in China are in yuan. https://www.alibabacloud.com/help/en/model-studio/regions
_REGIONS: Final = {
    "dashscope.aliyuncs.com": "cn",
    "cn-hongkong.dashscope.aliyuncs.com": "cn-hongkong",
    "dashscope-us.aliyuncs.com": "us",
}
_WORKSPACES: Final = ".maas.aliyuncs.com"
# Of a workspace's host; Singapore has the international prices.
_PLACES: Final = {"ap-southeast-1": None, "cn-beijing": "cn", "us-east-1": "us"}
# Upper ends of the ranges of input tokens by which models are priced, with their names in prices.toml.
_LENGTHS: Final = ((32_000, "32K"), (128_000, "128K"), (256_000, "256K"), (1_000_000, "1M"))
# Every event of its own stream has a reason to stop, "null" until the last one.
TERMINAL: Final = Terminal(anywhere=rb'"finish_reason"\s*:\s*"[^n]')


def complete(reading: Reading, _chunks: Sequence[Json]) -> Reading:
    """What the price of a token depends on: how long the input is, and whether the answer was thought about."""
    if reading.usage is None or reading.usage.input_tokens is None:
        return reading
    factors = {"input_length": _length(reading.usage.input_tokens)}
    if reading.usage.reasoning_output_tokens:
        factors["thinking"] = "on"
    if _is_explicit(reading.usage_raw):
        factors["cache"] = "explicit"
    return replace(reading, price_factors=reading.price_factors | factors)


def _is_explicit(raw: Json) -> bool:
    """Whether the caller marked what to cache: other prices than those of the cache that nobody asked for.
    https://www.alibabacloud.com/help/en/model-studio/context-cache"""
    told = at(raw, "prompt_tokens_details") or at(raw, "input_tokens_details")
    return bool(string(at(told, "cache_type")) or count(at(told, "cache_creation_input_tokens")))


def _length(input_tokens: int) -> str:
    return next((name for most, name in _LENGTHS if input_tokens <= most), "longer")


def read_native(body: Json) -> Reading:
    return _native([body])


def read_native_stream(events: Iterable[Event]) -> Reading:
    return _native([json_of(event) for event in events])


def _native(chunks: Sequence[Json]) -> Reading:
    said = thought = ""
    reasons: tuple[str, ...] = ()
    failure = raw = identity = None
    for chunk in chunks:
        output = at(chunk, "output")
        message = at(output, "choices", 0, "message")
        said = _grown(said, string(at(output, "text")) or words(at(message, "content")))
        thought = _grown(thought, words(at(message, "reasoning_content")))
        reason = string(at(output, "finish_reason")) or string(at(output, "choices", 0, "finish_reason"))
        reasons = (reason,) if reason and reason != "null" else reasons
        raw = at(chunk, "usage") or raw
        identity = identity or string(at(chunk, "request_id"))
        failure = _failure(chunk) or failure
    return complete(
        Reading(
            response_id=identity,
            finish_reasons=reasons,
            usage=openai_usage.usage(raw) or _total(raw),
            usage_raw=raw,
            units=openai_usage.token_parts(raw) | _units(raw, failure),
            text=said or None,
            other_output=thought or None,
            error_type=failure,
        ),
        chunks,
    )


def _by_models(reading: Reading, chunks: Sequence[Json]) -> Reading:
    """An application states what each of its models used; of a stream the last event that does counts.
    https://www.alibabacloud.com/help/en/model-studio/application-calling-api"""
    stated = next((found for chunk in reversed(chunks) if (found := items(at(chunk, "usage", "models")))), [])
    shares = by_model(
        (string(at(entry, "model_id")) or "unnamed", openai_usage.usage(entry) or Usage()) for entry in stated
    )
    if not shares:
        return reading
    total = reduce(added, shares.values())
    lengths = {_length(used.input_tokens or 0) for used in shares.values()}
    first = next(iter(shares))
    shares.pop(first)
    return replace(
        reading,
        response_model=first,
        usage=total,
        units=reading.units | share_units(shares),
        price_factors=reading.price_factors | {"input_length": lengths.pop() if len(lengths) == 1 else "several"},
    )


def read_app(body: Json) -> Reading:
    return _by_models(_native([body]), [body])


def read_app_stream(events: Iterable[Event]) -> Reading:
    chunks = [json_of(event) for event in events]
    return _by_models(_native(chunks), chunks)


def _grown(before: str, now: str) -> str:
    """Parts come alone, or each with all that was said before it (`incremental_output`)."""
    return now if now.startswith(before) else before + now


def _failure(body: Json) -> str | None:
    """{"code", "message"}; of a task inside `output`."""
    output = at(body, "output")
    code = string(at(body, "code")) or (string(at(output, "code")) if at(output, "task_status") == "FAILED" else None)
    return code or error_type(body)


def _total(raw: Json) -> Usage | None:
    """Embeddings and ranking state a total only, which is the input."""
    total = count(at(raw, "total_tokens"))
    return None if total is None else Usage(input_tokens=total)


def _units(raw: Json, failure: str | None) -> dict[str, Decimal | None]:
    stated = {
        "images": at(raw, "image_count"),
        "input_characters": at(raw, "characters"),
        "video_seconds": at(raw, "video_duration"),  # class VideoSynthesisUsage of its SDK
    }
    return {unit: Decimal(n) for unit, value in stated.items() if (n := count(value)) and not failure}


def with_task(reading: Reading, asked: Asked) -> Reading:
    """A task costs nothing when it is started: its result says what it used."""
    if asked.path.endswith(("-synthesis", "/transcription")) and not reading.usage_raw and not reading.error_type:
        return under_way(reading)
    return reading


def read_task(body: Json) -> Reading:
    """A task that is fetched says what it used once it is done. It does not name the model, so it has no price."""
    reading = read_native(body)
    if at(body, "output", "task_status") == "SUCCEEDED" or reading.error_type:
        return reading
    return under_way(reading)


def prompt(request: Json) -> str:
    given = at(request, "input")
    told = [words(at(message, "content")) for message in items(at(given, "messages"))]
    return "\n".join(text for text in (words(at(given, "prompt")), *told) if text)


def region(host: str, _path: str) -> str | None:
    if host.endswith(_WORKSPACES):
        place = host.removesuffix(_WORKSPACES).rpartition(".")[2]
        return _PLACES.get(place, place)
    return _REGIONS.get(host)


def _service(name: str, path: str, *, streams: bool = False) -> Operation:
    return Operation(
        name=name,
        path=f"/api/v1/services/{path}/?",
        terminal=TERMINAL if streams else None,
        read_json=read_native,
        read_stream=read_native_stream if streams else None,
        with_request=with_task,
        prompt_text=prompt if streams else None,
    )


_COMPATIBLE: Final = "(?:/compatible-mode|/compatible-api|/api/v2/apps/protocols/compatible-mode)?/v1"
PROVIDER: Final = Provider(
    name="dashscope",
    origin="https://dashscope-intl.aliyuncs.com",
    hosts=(
        "dashscope-intl.aliyuncs.com",
        "dashscope.aliyuncs.com",
        "dashscope-us.aliyuncs.com",
        "cn-hongkong.dashscope.aliyuncs.com",
        "coding-intl.dashscope.aliyuncs.com",
        "coding.dashscope.aliyuncs.com",
        # Of one workspace: https://www.alibabacloud.com/help/en/model-studio/base-url
        "*.*.maas.aliyuncs.com",
    ),
    operations=(
        *openai_shaped.operations(
            _COMPATIBLE, *("chat", "text_completion", "embeddings", "responses"), complete=complete
        ),
        # https://www.alibabacloud.com/help/en/model-studio/text-rerank-api
        *media.operations(_COMPATIBLE, "rerank"),
        # Sessions of Qwen-Omni and of its speech models, in OpenAI's events: dashscope 2.0.2, audio/qwen_omni/omni_realtime.py
        replace(realtime("/api-ws/v1"), source="https://www.alibabacloud.com/help/en/model-studio/realtime"),
        anthropic_shaped.messages("/(?:apps/anthropic|api/v2/apps/claude-code-proxy)/v1/messages", complete),
        _service("chat", "aigc/(?:text|multimodal)-generation/generation", streams=True),
        Operation(
            name="chat",
            path="/api/v1/apps/[^/]+/completion/?",
            terminal=TERMINAL,
            read_json=read_app,
            read_stream=read_app_stream,
            prompt_text=prompt,
        ),
        _service("embeddings", "embeddings/[^/]+/[^/]+"),
        _service("rerank", "rerank/[^/]+/[^/]+"),
        # dashscope 2.0.2, audio/asr/transcription.py
        _service("transcription", "audio/asr/transcription"),
        _service("image_generation", "aigc/(?:text2image|image2image|image-generation)/[^/]+"),
        _service("video_generation", "aigc/(?:video-generation|image2video)/[^/]+"),
        Operation(
            name="retrieve_task",
            method="GET",
            path="/api/v1/tasks/[^/]+",
            read_json=read_task,
            with_request=charged_by_path,
        ),
    ),
    # The Coding Plan: https://www.alibabacloud.com/help/en/model-studio/coding-plan
    plan_hosts=frozenset(
        {
            *("coding-intl.dashscope.aliyuncs.com", "coding.dashscope.aliyuncs.com"),
            *("token-plan.ap-southeast-1.maas.aliyuncs.com", "token-plan.cn-beijing.maas.aliyuncs.com"),
        }
    ),
    region=region,
    source="https://www.alibabacloud.com/help/en/model-studio/use-qwen-by-calling-api",
)
