"""Answers in the shape of OpenAI's API. https://platform.openai.com/docs/api-reference"""

import base64
import struct
from typing import Final

from addon.demo.answer import (
    CREATED,
    EVENT_STREAM,
    Answer,
    Json,
    Length,
    Said,
    data_event,
    digest,
    dump,
    named_event,
    required,
    say,
    tool_arguments,
    words_in,
)

DATED: Final = {  # what OpenAI answers when it is asked for an alias
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "o3": "o3-2025-04-16",
    "o4-mini": "o4-mini-2025-04-16",
}
REASONING_MODELS: Final = ("o1", "o3", "o4", "gpt-5")
CACHEABLE_FROM_TOKENS: Final = 1024  # shorter prompts are never cached, longer ones in steps of 128
ERRORS: Final = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "unknown_url"),
    429: ("requests", "rate_limit_exceeded"),
}


def chat_completions(body: Json, length: Length) -> Answer:
    """POST /v1/chat/completions, JSON or a stream; usage in a stream only when `include_usage` asks for it.

    A tool that `tool_choice` names is called after the words.
    """
    required(body, "model", "messages")
    prompt = words_in(body["messages"])
    said = say(prompt, body.get("max_completion_tokens", body.get("max_tokens")), length)
    calls = _tool_calls(body, prompt)
    usage = _completion_usage(body["model"], prompt, said)
    finish = "length" if said.is_cut else "tool_calls" if calls else "stop"
    common = {
        "id": f"chatcmpl-{digest(body)[:29]}",
        "created": CREATED,
        "model": _dated(body["model"]),
        "service_tier": "default",
        "system_fingerprint": "fp_heliograph",
    }
    if not body.get("stream"):
        message: Json = {"role": "assistant", "content": said.text, "refusal": None, "annotations": []}
        message |= {"tool_calls": calls} if calls else {}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        return _json(body, {**common, "object": "chat.completion", "choices": [choice], "usage": usage})

    def choices(delta: Json, finish_reason: str | None = None) -> list[Json]:
        return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}]

    steps = [
        choices({"role": "assistant", "content": "", "refusal": None}),
        *(choices({"content": part}) for part in said.deltas),
        *(choices({"tool_calls": [call | {"index": 0}]}) for call in calls),
        choices({}, finish),
    ]
    return _chunks(body, {**common, "object": "chat.completion.chunk"}, steps, usage)


def _tool_calls(body: Json, prompt: list[str]) -> list[Json]:
    """The call of the tool that `tool_choice` names."""
    match body.get("tool_choice"):
        case {"type": "function", "function": {"name": str(name)}}:
            (tool,) = (tool["function"] for tool in body["tools"] if tool["function"]["name"] == name)
            arguments = dump(tool_arguments(tool["parameters"], prompt)).decode()
            function = {"name": name, "arguments": arguments}
            return [{"id": f"call_{digest(body)[:24]}", "type": "function", "function": function}]
    return []


def completions(body: Json, length: Length) -> Answer:
    """POST /v1/completions, the legacy one; JSON or a stream."""
    required(body, "model", "prompt")
    prompt = words_in(body["prompt"])
    said = say(prompt, body.get("max_tokens", 16), length)
    usage = {
        "prompt_tokens": len(prompt),
        "completion_tokens": len(said.words),
        "total_tokens": len(prompt) + len(said.words),
    }
    finish = "length" if said.is_cut else "stop"
    common = {
        "id": f"cmpl-{digest(body)[:29]}",
        "object": "text_completion",
        "created": CREATED,
        "model": _dated(body["model"]),
    }

    def choices(text: str, finish_reason: str | None = None) -> list[Json]:
        return [{"text": text, "index": 0, "logprobs": None, "finish_reason": finish_reason}]

    if not body.get("stream"):
        return _json(body, {**common, "choices": choices(said.text, finish), "usage": usage})
    return _chunks(body, common, [*(choices(part) for part in said.deltas), choices("", finish)], usage)


def responses(body: Json, length: Length) -> Answer:
    """POST /v1/responses, JSON or a stream of named, numbered events."""
    required(body, "model", "input")
    prompt = words_in([body.get("instructions") or "", body["input"]])
    said = say(prompt, body.get("max_output_tokens"), length)
    key = digest(body)
    status = "incomplete" if said.is_cut else "completed"
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": said.text}
    item = {"id": f"msg_{key}", "type": "message", "status": status, "role": "assistant", "content": [part]}
    begun = {
        "id": f"resp_{key}",
        "object": "response",
        "created_at": CREATED,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": _dated(body["model"]),
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": body.get("previous_response_id"),
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": body.get("store", True),
        "temperature": body.get("temperature", 1.0),
        "text": {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools", []),
        "top_p": body.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": None,
        "metadata": body.get("metadata", {}),
    }
    ended = begun | {
        "status": status,
        "incomplete_details": {"reason": "max_output_tokens"} if said.is_cut else None,
        "output": [item],
        "usage": _responses_usage(body["model"], prompt, said),
    }
    if not body.get("stream"):
        return _json(body, ended)

    here = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    events: list[Json] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": item | {"status": "in_progress", "content": []},
        },
        {"type": "response.content_part.added", **here, "part": part | {"text": ""}},
        *({"type": "response.output_text.delta", **here, "delta": text, "logprobs": []} for text in said.deltas),
        {"type": "response.output_text.done", **here, "text": said.text, "logprobs": []},
        {"type": "response.content_part.done", **here, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": f"response.{status}", "response": ended},
    ]
    numbered = (named_event(event | {"sequence_number": number}) for number, event in enumerate(events))
    return Answer(content_type=EVENT_STREAM, headers=_headers(body), pieces=tuple(numbered))


def embeddings(body: Json, length: Length) -> Answer:
    """POST /v1/embeddings: one vector per input, as floats or (the SDK's wish) base64 of little-endian float32."""
    required(body, "model", "input")
    inputs = body["input"]
    # A list of numbers is one input that was tokenised by the caller.
    texts = inputs if isinstance(inputs, list) and not all(isinstance(item, int) for item in inputs) else [inputs]
    dimensions = body.get("dimensions") or (3072 if "large" in body["model"] else 1536)
    data = []
    for index, text in enumerate(texts):
        vector = _vector(text, dimensions)
        is_base64 = body.get("encoding_format") == "base64"
        packed = base64.b64encode(struct.pack(f"<{dimensions}f", *vector)).decode() if is_base64 else vector
        data.append({"object": "embedding", "index": index, "embedding": packed})
    tokens = sum(len(words_in(text)) if isinstance(text, str) else len(text) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return _json(body, {"object": "list", "data": data, "model": body["model"], "usage": usage})


def models() -> Answer:
    """GET /v1/models"""
    data = [{"id": name, "object": "model", "created": CREATED, "owned_by": "system"} for name in sorted(DATED)]
    return Answer(pieces=(dump({"object": "list", "data": data}),))


def error_body(status: int, message: str) -> bytes:
    kind, code = ERRORS.get(status, ("server_error" if status >= 500 else "invalid_request_error", None))
    return dump({"error": {"message": message, "type": kind, "param": None, "code": code}})


CHAT_ERROR_EVENT: Final = b"data: " + error_body(500, "The server had an error while answering.") + b"\n\n"
RESPONSES_ERROR_EVENT: Final = named_event(
    {
        "type": "error",
        "code": "server_error",
        "message": "The server had an error while answering.",
        "param": None,
        "sequence_number": 0,
    }
)


def _chunks(body: Json, common: Json, steps: list[list[Json]], usage: Json) -> Answer:
    """A chat-like stream: one chunk per step, the usage in a chunk of its own, `[DONE]` last."""
    include_usage = (body.get("stream_options") or {}).get("include_usage") is True
    absent = {"usage": None} if include_usage else {}
    chunks = [data_event({**common, "choices": choices, **absent}) for choices in steps]
    if include_usage:
        chunks.append(data_event({**common, "choices": [], "usage": usage}))
    return Answer(content_type=EVENT_STREAM, headers=_headers(body), pieces=(*chunks, b"data: [DONE]\n\n"))


def _json(body: Json, value: Json) -> Answer:
    return Answer(headers=_headers(body), pieces=(dump(value),))


def _headers(body: Json) -> tuple[tuple[str, str], ...]:
    return (
        ("x-request-id", f"req_{digest(body)}"),
        ("openai-organization", "demo"),
        ("openai-processing-ms", "12"),
        ("openai-version", "2020-10-01"),
        ("x-ratelimit-limit-requests", "10000"),
        ("x-ratelimit-remaining-requests", "9999"),
        ("x-ratelimit-reset-requests", "6ms"),
    )


def _dated(model: str) -> str:
    return DATED.get(model, model)


def _reasoning_tokens(model: str, said: Said) -> int:
    """Thinking that is billed as output and never shown."""
    return 64 * (1 + len(said.words) % 4) if model.startswith(REASONING_MODELS) else 0


def _cached_tokens(prompt: list[str]) -> int:
    """Half of a long prompt was seen before: a rule, so that no answer depends on an earlier one."""
    return len(prompt) // 2 // 128 * 128 if len(prompt) >= CACHEABLE_FROM_TOKENS else 0


def _completion_usage(model: str, prompt: list[str], said: Said) -> Json:
    reasoning = _reasoning_tokens(model, said)
    return {
        "prompt_tokens": len(prompt),
        "completion_tokens": len(said.words) + reasoning,
        "total_tokens": len(prompt) + len(said.words) + reasoning,
        "prompt_tokens_details": {"cached_tokens": _cached_tokens(prompt), "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _responses_usage(model: str, prompt: list[str], said: Said) -> Json:
    reasoning = _reasoning_tokens(model, said)
    return {
        "input_tokens": len(prompt),
        "input_tokens_details": {"cached_tokens": _cached_tokens(prompt)},
        "output_tokens": len(said.words) + reasoning,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": len(prompt) + len(said.words) + reasoning,
    }


def _vector(text: Json, dimensions: int) -> list[float]:
    """A vector of about unit length that follows from the text."""
    seed = bytes.fromhex(digest(text))
    return [(seed[index % len(seed)] - 127.5) / (73.6 * dimensions**0.5) for index in range(dimensions)]
