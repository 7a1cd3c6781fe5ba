"""Servers on one's own machine whose native APIs are not OpenAI's: llama.cpp, SGLang, LM Studio, TGI, TEI, Infinity; and vLLM.

All of them speak OpenAI's API as well. They have no hosts that could be decrypted, and no price unless one is configured.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import reduce
from typing import Final

from addon.providers import anthropic_shaped, cohere, data_platforms, local_pooling, ollama, openai_usage
from addon.providers.completed import Complete
from addon.providers.fields import added, at, count, items, json_of, members, stream_failure, string, words
from addon.providers.model import Asked, Event, Json, Operation, Provider, Reading, Terminal, Usage
from addon.providers.openai_shaped import DONE, chat_prompt, operations

OPENAI: Final = ("chat", "text_completion", "embeddings", "responses")
SOUND: Final = ("transcription", "translation")


def read_llamacpp(chunks: list[Json]) -> Reading:
    """`{content, stop, stop_type, tokens_evaluated, tokens_predicted, timings}`, of a stream in its last chunk; for several
    prompts a list of them, of a stream a last chunk each.

    `tokens_cached` counts the context after the answer; what was read from the cache is `timings.cache_n`.
    """
    parts = [part for chunk in chunks for part in (items(chunk) or [chunk])]
    last: dict[int, Json] = {}  # what each prompt has stated so far
    for chunk in chunks:
        for position, part in enumerate(items(chunk) or [chunk]):
            if at(part, "tokens_evaluated") is not None or at(part, "stop") is True:
                index = count(at(part, "index"))
                last[position if index is None else index] = part
    ends = [last[index] for index in sorted(last)]
    is_cut = not all(at(end, "stop") is True for end in ends)
    usage = Usage(
        input_tokens=total(ends, "tokens_evaluated"),
        cache_read_input_tokens=total([at(end, "timings") for end in ends], "cache_n"),
        output_tokens=total(ends, "tokens_predicted"),
    )
    names = ("tokens_evaluated", "tokens_predicted", "tokens_cached", "timings")
    raw = [members(end, names) for end in ends]
    said: dict[int, str] = {}
    for part in parts:
        index = count(at(part, "index")) or 0
        said[index] = said.get(index, "") + (string(at(part, "content")) or "")
    return Reading(
        response_model=_model(parts),
        finish_reasons=() if is_cut else _words(*(at(end, "stop_type") for end in ends)),
        is_cut=is_cut,
        usage=stated(usage),
        usage_raw=(raw[0] if len(raw) == 1 else raw) or None,
        text="\n".join(said[index] for index in sorted(said)) or None,
        error_type=stream_failure(parts),
    )


def of_all_prompts(reading: Reading, asked: Asked) -> Reading:
    """Prompts in a list that has a number are one; a prompt that never began is missing too. tools/server/README.md"""
    prompts = items(at(asked.body, "prompt"))
    several = len(prompts) if not any(isinstance(part, int) for part in prompts) else 1
    if several < 2 or len(reading.finish_reasons) in (0, several):
        return reading
    return replace(reading, finish_reasons=(), is_cut=True)


def of_each_choice(reading: Reading, chunks: Sequence[Json]) -> Reading:
    """llama.cpp makes each choice in a task of its own: a stream has a usage for each, an answer in one piece only that of the
    first. tools/server/server-context.cpp, handle_completions_impl"""
    choices = {count(at(choice, "index")) or 0 for chunk in chunks for choice in items(at(chunk, "choices"))}
    if len(choices) < 2:
        return reading
    ends = [raw for chunk in chunks if (raw := _usage_of_task(chunk))]
    if len(ends) == len(choices):
        raw = reduce(added, ends)
        return replace(reading, usage=openai_usage.usage(raw), usage_raw=raw)
    odd = f"the usage is that of {len(ends)} of {len(choices)} choices"
    return replace(reading, usage=None, usage_quality=odd if ends else None)


def _usage_of_task(chunk: Json) -> Json:
    """Without `include_usage` there are the timings alone, which may be in each chunk."""
    if raw := at(chunk, "usage"):
        return raw
    if not any(string(at(choice, "finish_reason")) for choice in items(at(chunk, "choices"))):
        return None
    return members(at(chunk, "timings"), ("cache_n", "prompt_n", "predicted_n"))


def read_sglang(chunks: list[Json]) -> Reading:
    """`{text, meta_info}`, a list of them for several prompts; each chunk of a stream repeats the text so far."""
    last: dict[str, Json] = {}
    for chunk in chunks:
        for part in items(chunk) or [chunk]:
            if isinstance(part, dict) and "meta_info" in part:
                last[str(at(part, "index") or at(part, "meta_info", "id"))] = part
    infos = [at(part, "meta_info") for part in last.values()]
    usage = Usage(
        input_tokens=total(infos, "prompt_tokens"),
        cache_read_input_tokens=total(infos, "cached_tokens"),
        output_tokens=total(infos, "completion_tokens"),
        reasoning_output_tokens=total(infos, "reasoning_tokens"),
    )
    return Reading(
        response_id=string(at(infos[0], "id")) if infos else None,
        finish_reasons=_words(*(at(info, "finish_reason", "type") for info in infos)),
        usage=stated(usage),
        usage_raw=(infos[0] if len(infos) == 1 else infos) or None,
        text="\n".join(string(at(part, "text")) or "" for part in last.values()) or None,
        error_type=stream_failure(chunks) or next(filter(None, map(_aborted, infos)), None),
    )


def _aborted(info: Json) -> str | None:
    """FINISH_ABORT of srt/managers/schedule_batch.py: without a status the caller left."""
    reason = at(info, "finish_reason")
    if at(reason, "type") != "abort" or count(at(reason, "status_code")) is None:
        return None
    return string(at(reason, "err_type")) or "abort"


def read_predictions(body: Json) -> Reading:
    """An answer for each instance: srt/entrypoints/http_server.py, vertex_generate."""
    return read_sglang(items(at(body, "predictions")) or [body])


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
    counted = total(details, "input_length")
    if counted is None:
        counted = total(details, "prompt_tokens")  # LoRAX: clients/python/lorax/types.py
    usage = Usage(
        input_tokens=(listed or None) if counted is None else counted,
        output_tokens=total([*details, *others], "generated_tokens"),
    )
    whole = [text for part in flat if (text := string(at(part, "generated_text")))]
    tokens = "".join(string(at(part, "token", "text")) or "" for part in flat)
    failed = [string(at(part, "error_type")) or "error" for part in flat if at(part, "error")]
    return Reading(
        finish_reasons=_words(*(at(found, "finish_reason") for found in details)),
        usage=stated(usage),
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
        usage=stated(usage),
        usage_raw=stats,
        text="\n".join(said) or spoken or None,
        error_type=stream_failure(chunks),
    )


def prompt(request: Json) -> str:
    """Each of these APIs has the words in another member."""
    names = ("prompt", "text", "inputs", "input", "text_input", "instances")
    return "\n".join(text for name in names if (text := words(at(request, name))))


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


def llamacpps(path: str) -> Operation:
    return replace(native("text_completion", path, read_llamacpp, STOP, LLAMACPP), with_request=of_all_prompts)


def local(
    name: str,
    port: int,
    source: str,
    *own: Operation,
    base: str = "/v1",
    does: tuple[str, ...] = OPENAI,
    complete: Complete | None = None,
) -> Provider:
    return Provider(
        name=name,
        origin=f"http://127.0.0.1:{port}",
        hosts=(),
        # All of them speak Anthropic's API as well: that is how Claude Code reaches them.
        operations=(*own, *operations(base, *does, complete=complete), anthropic_shaped.messages("/v1/messages")),
        source=source,
    )


def parsed(events: Iterable[Event]) -> list[Json]:
    return [json_of(event) for event in events if event.data != "[DONE]"]


def stated(usage: Usage) -> Usage | None:
    return None if usage.input_tokens is None and usage.output_tokens is None else usage


def total(parts: list[Json], name: str) -> int | None:
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

# Vertex's path, and SageMaker's, whose request is OpenAI's.
VERTEX_GENERATE: Final = Operation(
    name="text_completion",
    path="/vertex_generate/?",
    read_json=read_predictions,
    prompt_text=prompt,
    source="https://github.com/sgl-project/sglang, srt/entrypoints/http_server.py",
)
INVOCATIONS: Final = replace(data_platforms.INVOCATIONS, path="/invocations/?", asks_usage=True, source=None)

PROVIDERS: Final = (
    local(
        "vllm",
        8000,
        "https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
        *local_pooling.VLLM,
        *VLLM_OWN,
        INVOCATIONS,
        does=(*OPENAI, *SOUND, "decisions"),
    ),
    local(
        "sglang",
        30000,
        SGLANG,
        native("text_completion", "/generate", read_sglang, DONE, SGLANG),
        VERTEX_GENERATE,
        INVOCATIONS,
        *(one for one in ollama.PROVIDER.operations if one.match("/api/chat") or one.match("/api/generate")),
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
        llamacpps("/(?:completions?|infill)"),
        *local_pooling.LLAMACPP,
        base="(?:/v1)?",
        does=(*OPENAI, "transcription"),
        complete=of_each_choice,
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
