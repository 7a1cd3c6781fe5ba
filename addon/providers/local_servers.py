"""Servers on one's own machine whose native APIs are not OpenAI's: llama.cpp, SGLang, LM Studio, TGI, TEI, Infinity; and vLLM.

All of them speak OpenAI's API as well. They have no hosts that could be decrypted, and no price unless one is configured.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from addon.providers import anthropic_shaped, cohere, local_pooling
from addon.providers.fields import at, count, items, json_of, stream_failure, string, words
from addon.providers.model import Event, Json, Operation, Provider, Reading, Terminal, Usage
from addon.providers.openai_shaped import DONE, chat_prompt, operations

OPENAI: Final = ("chat", "text_completion", "embeddings", "responses")
SOUND: Final = ("transcription", "translation")


def read_llamacpp(chunks: list[Json]) -> Reading:
    """`{content, stop, stop_type, tokens_evaluated, tokens_predicted, timings}`, of a stream in its last chunk; for several
    prompts a list of them, of a stream a last chunk each.

    `tokens_cached` counts the context after the answer; what was read from the cache is `timings.cache_n`.
    """
    parts = [part for chunk in chunks for part in (items(chunk) or [chunk])]
    ends = [part for part in parts if at(part, "stop") is True]
    usage = Usage(
        input_tokens=_sum(ends, "tokens_evaluated"),
        cache_read_input_tokens=_sum([at(end, "timings") for end in ends], "cache_n"),
        output_tokens=_sum(ends, "tokens_predicted"),
    )
    names = ("tokens_evaluated", "tokens_predicted", "tokens_cached", "timings")
    raw = [{name: at(end, name) for name in names if at(end, name) is not None} for end in ends]
    said: dict[int, str] = {}
    for part in parts:
        index = count(at(part, "index")) or 0
        said[index] = said.get(index, "") + (string(at(part, "content")) or "")
    return Reading(
        response_model=_model(parts),
        finish_reasons=_words(*(at(end, "stop_type") for end in ends)),
        usage=_stated(usage),
        usage_raw=(raw[0] if len(raw) == 1 else raw) or None,
        text="\n".join(said[index] for index in sorted(said)) or None,
        error_type=stream_failure(parts),
    )


def read_sglang(chunks: list[Json]) -> Reading:
    """`{text, meta_info}`, a list of them for several prompts; each chunk of a stream repeats the text so far."""
    last: dict[str, Json] = {}
    for chunk in chunks:
        for part in items(chunk) or [chunk]:
            if isinstance(part, dict) and "meta_info" in part:
                last[str(at(part, "index") or at(part, "meta_info", "id"))] = part
    infos = [at(part, "meta_info") for part in last.values()]
    usage = Usage(
        input_tokens=_sum(infos, "prompt_tokens"),
        cache_read_input_tokens=_sum(infos, "cached_tokens"),
        output_tokens=_sum(infos, "completion_tokens"),
        reasoning_output_tokens=_sum(infos, "reasoning_tokens"),
    )
    return Reading(
        response_id=string(at(infos[0], "id")) if infos else None,
        finish_reasons=_words(*(at(info, "finish_reason", "type") for info in infos)),
        usage=_stated(usage),
        usage_raw=(infos[0] if len(infos) == 1 else infos) or None,
        text="\n".join(string(at(part, "text")) or "" for part in last.values()) or None,
        error_type=stream_failure(chunks),
    )


def read_tgi(chunks: list[Json]) -> Reading:
    """`{generated_text, details?}`; a stream has `{token: {text}}` and its details in the last chunk.

    Of `best_of` answers the details are the best one's, with those of the others among them. The count of the prompt's tokens
    is in streams alone; else they are listed where the request asks for them.
    huggingface_hub 2.4, inference/_generated/types/text_generation.py
    """
    flat = [part for chunk in chunks for part in (items(chunk) or [chunk])]
    details = [found for part in flat if (found := at(part, "details"))]
    others = [other for found in details for other in items(at(found, "best_of_sequences"))]
    listed = sum(len(items(at(found, "prefill"))) for found in details)
    counted = _sum(details, "input_length")
    usage = Usage(
        input_tokens=(listed or None) if counted is None else counted,
        output_tokens=_sum([*details, *others], "generated_tokens"),
    )
    whole = [text for part in flat if (text := string(at(part, "generated_text")))]
    tokens = "".join(string(at(part, "token", "text")) or "" for part in flat)
    failed = [string(at(part, "error_type")) or "error" for part in flat if at(part, "error")]
    return Reading(
        finish_reasons=_words(*(at(found, "finish_reason") for found in details)),
        usage=_stated(usage),
        usage_raw=(details[0] if len(details) == 1 else details) or None,
        text="\n".join(whole) or tokens or None,
        error_type=failed[0] if failed else None,
    )


def read_lmstudio(chunks: list[Json]) -> Reading:
    """`{model_instance_id, output, stats, response_id}`; a stream ends with it: `chat.end` has it as its `result`."""
    result = next((found for chunk in reversed(chunks) if (found := at(chunk, "result"))), None)
    answer = result or next((chunk for chunk in chunks if at(chunk, "stats")), None)
    stats = at(answer, "stats")
    usage = Usage(
        input_tokens=count(at(stats, "input_tokens")),
        output_tokens=count(at(stats, "total_output_tokens")),
        reasoning_output_tokens=count(at(stats, "reasoning_output_tokens")),
    )
    said = [words(at(item, "content")) for item in items(at(answer, "output")) if at(item, "type") == "message"]
    spoken = "".join(string(at(chunk, "content")) or "" for chunk in chunks if at(chunk, "type") == "message.delta")
    return Reading(
        response_model=string(at(answer, "model_instance_id")) or string(at(chunks, 0, "model_instance_id")),
        response_id=string(at(answer, "response_id")),
        usage=_stated(usage),
        usage_raw=stats,
        text="\n".join(said) or spoken or None,
        error_type=stream_failure(chunks),
    )


def prompt(request: Json) -> str:
    """Each of these APIs has the words in another member."""
    return "\n".join(text for key in ("prompt", "text", "inputs", "input") if (text := words(at(request, key))))


def batch_prompt(request: Json) -> str:
    """`messages` is a list of conversations."""
    return "\n".join(chat_prompt({"messages": messages}) for messages in items(at(request, "messages")))


def native(name: str, path: str, read: Callable[[list[Json]], Reading], terminal: Terminal, source: str) -> Operation:
    return Operation(
        name=name,
        path=f"{path}/?",
        terminal=terminal,
        read_json=lambda body: read([body]),
        read_stream=lambda events: read(parsed(events)),
        prompt_text=prompt,
        source=source,
    )


def local(
    name: str, port: int, source: str, *own: Operation, base: str = "/v1", does: tuple[str, ...] = OPENAI
) -> Provider:
    return Provider(
        name=name,
        origin=f"http://127.0.0.1:{port}",
        hosts=(),
        # All of them speak Anthropic's API as well: that is how Claude Code reaches them.
        operations=(*own, *operations(base, *does), anthropic_shaped.messages("/v1/messages")),
        source=source,
    )


def parsed(events: Iterable[Event]) -> list[Json]:
    return [json_of(event) for event in events if event.data != "[DONE]"]


def _stated(usage: Usage) -> Usage | None:
    return None if usage.input_tokens is None and usage.output_tokens is None else usage


def _sum(parts: list[Json], name: str) -> int | None:
    numbers = [number for part in parts if (number := count(at(part, name))) is not None]
    return sum(numbers) if numbers else None


def _words(*values: Json) -> tuple[str, ...]:
    return tuple(word for value in values if (word := string(value)))


def _model(chunks: list[Json]) -> str | None:
    return next((model for chunk in chunks if (model := string(at(chunk, "model")))), None)


LLAMACPP: Final = "https://github.com/ggml-org/llama.cpp/tree/master/tools/server"
SGLANG: Final = "https://docs.sglang.ai/basic_usage/native_api.html"
LMSTUDIO: Final = "https://lmstudio.ai/docs/developer/rest"
TGI: Final = "https://huggingface.co/docs/text-generation-inference/reference/api_reference"
GENERATED: Final = Terminal(anywhere=rb'"generated_text"\s*:\s*"')
CHAT_END: Final = Terminal(line_start=rb"event: ?chat\.end")
STOP: Final = Terminal(anywhere=rb'"stop"\s*:\s*true')
# Several conversations in one call, and tokens in and out, in the shape of OpenAI's answers; vectors in Cohere's words.
# vllm/entrypoints/openai/chat_completion, scale_out/token_in_token_out and pooling/embed of 0.33.0
VLLM_OWN: Final = (
    replace(operations("", "chat")[0], path="/v1/chat/completions/batch/?", prompt_text=batch_prompt),
    replace(operations("", "text_completion")[0], path="/inference/v1/generate/?", asks_usage=False, prompt_text=None),
    *(replace(one, path="/v2/embed/?") for one in cohere.PROVIDER.operations if one.match("/v2/embed")),
)

PROVIDERS: Final = (
    local(
        "vllm",
        8000,
        "https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
        *local_pooling.VLLM,
        *VLLM_OWN,
        does=(*OPENAI, *SOUND, "decisions"),
    ),
    local(
        "sglang",
        30000,
        SGLANG,
        native("text_completion", "/generate", read_sglang, DONE, SGLANG),
        *local_pooling.SGLANG,
        does=(*OPENAI, "transcription"),
    ),
    local(
        "lmstudio",
        1234,
        LMSTUDIO,
        native("chat", "/api/v1/chat", read_lmstudio, CHAT_END, LMSTUDIO),
        base="(?:/v1|/api/v0)",
    ),
    local(
        "llamacpp",
        8080,
        LLAMACPP,
        native("text_completion", "/(?:completions?|infill)", read_llamacpp, STOP, LLAMACPP),
        *local_pooling.LLAMACPP,
        base="(?:/v1)?",
        does=(*OPENAI, "transcription"),
    ),
    local(
        "tgi",
        3000,
        TGI,
        native(
            "text_completion",
            "/(?:generate(?:_stream)?)?",
            read_tgi,
            GENERATED,
            TGI,
        ),
    ),
    Provider(
        name="infinity",
        origin="http://127.0.0.1:7997",
        hosts=(),
        operations=(*local_pooling.INFINITY, *operations("/v1", "embeddings")),
        source="https://michaelfeil.github.io/infinity/",
    ),
    Provider(
        name="tei",
        origin="http://127.0.0.1:3000",
        hosts=(),
        operations=(*local_pooling.TEI, *operations("/v1", "embeddings")),
        source="https://huggingface.co/docs/text-embeddings-inference",
    ),
)
