"""Answers of the fake providers behind `scripts/agents`, each in its API's own shape.

Every answer has the same usage: 120 tokens in, 7 out. Where the API has a cache, 100 of the 120 were read from it; where
it states reasoning, 2 of the 7 are reasoning. So the tokens of a row say whether the shape was read right.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from tests.aws_event_stream import frame

INPUT_TOKENS, CACHED_TOKENS, OUTPUT_TOKENS, REASONING_TOKENS = 120, 100, 7, 2
WORDS: Final = ("It ", "left ", "the ", "depot ", "today.")
TEXT: Final = "".join(WORDS)
CREATED: Final = 1_761_955_200

type Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer with status 200. A stream has one piece an event."""

    pieces: tuple[bytes, ...]
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


SUB_AGENT: Final = "Agent"  # Claude Code's tool, which is called where the prompt asks for it
SUB_AGENT_PROMPT: Final = "Ask a sub-agent where my parcel is."
# What agents are told to do in their first turn, by a tool of theirs: it changes nothing, and they ask nobody for leave.
TOOLS: Final[dict[str, Body]] = {
    "Bash": {"command": "git status", "description": "Look"},  # Claude Code
    "exec_command": {"cmd": "git status"},  # Codex
    "list_directory": {"dir_path": "."},  # Gemini CLI
    "bash": {"command": "git status", "description": "Look"},  # opencode, Copilot
    "run_commands": {"commands": ["git status"]},  # Cline
    SUB_AGENT: {"description": "Look", "prompt": "Where is my parcel?", "subagent_type": "general-purpose"},
}


def tool_to_call(body: Body) -> str | None:
    """The tool of TOOLS that an agent offers; None once it has sent a result, or offers none."""
    offered: list[Body] = [
        *(body.get("tools") or []),
        *(each for tool in body.get("tools") or [] for each in tool.get("functionDeclarations", [])),
    ]
    names = [str(tool.get("name")) for tool in offered]
    if _has_result(body):
        return None
    if SUB_AGENT in names and SUB_AGENT_PROMPT in json.dumps(body["messages"]):
        return SUB_AGENT
    return next((name for name in names if name in TOOLS and name != SUB_AGENT), None)


def _has_result(body: Body) -> bool:
    """In the shapes of Anthropic's messages, of OpenAI's responses and of Gemini."""
    asked = [*(body.get("messages") or []), *(body.get("contents") or [])]
    inside = [part for message in asked for part in message.get("content") or message.get("parts") or []]
    given = body.get("input") if isinstance(body.get("input"), list) else []
    parts = [part for part in (*inside, *(given or [])) if isinstance(part, dict)]
    return any(
        part.get("type") in ("tool_result", "function_call_output") or "functionResponse" in part for part in parts
    )


def _json(value: object) -> Answer:
    return Answer((json.dumps(value).encode(),))


def _data(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def _named(value: Body) -> bytes:
    return f"event: {value['type']}\n".encode() + _data(value)


def _events(pieces: list[bytes]) -> Answer:
    return Answer(tuple(pieces), "text/event-stream")


CHAT_USAGE: Final[Body] = {
    "prompt_tokens": INPUT_TOKENS,
    "completion_tokens": OUTPUT_TOKENS,
    "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
    "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": REASONING_TOKENS, "audio_tokens": 0},
}
PLAIN_CHAT_USAGE: Final[Body] = {
    name: CHAT_USAGE[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")
}


def openai_chat(number: int, body: Body) -> Answer:
    """https://developers.openai.com/api/reference/resources/chat: the usage of a stream only where it is asked for."""
    common = {"id": f"chatcmpl-{number}", "created": CREATED, "model": body["model"], "service_tier": "default"}
    if not body.get("stream"):
        return _json({**common, "object": "chat.completion", "choices": [_choice()], "usage": CHAT_USAGE})
    chunk = {**common, "object": "chat.completion.chunk"}
    pieces = [_data({**chunk, "choices": choices}) for choices in _deltas()]
    if (body.get("stream_options") or {}).get("include_usage"):
        pieces.append(_data({**chunk, "choices": [], "usage": CHAT_USAGE}))
    return _events([*pieces, b"data: [DONE]\n\n"])


def mistral_chat(number: int, body: Body) -> Answer:
    """https://docs.mistral.ai/api/endpoint/chat: the last chunk of a stream has the usage."""
    return _plain_chat(number, body, lambda chunk: chunk | {"usage": PLAIN_CHAT_USAGE})


def groq_chat(number: int, body: Body) -> Answer:
    """https://console.groq.com/docs/api-reference: the last chunk of a stream has the usage in `x_groq`."""
    usage = {**PLAIN_CHAT_USAGE, "queue_time": 0.01, "prompt_time": 0.01, "completion_time": 0.01, "total_time": 0.02}
    return _plain_chat(
        number, body, lambda chunk: chunk | {"x_groq": {"id": "req_1", "usage": usage}}, service_tier="on_demand"
    )


def _plain_chat(number: int, body: Body, last: Callable[[Body], Body], **more: str) -> Answer:
    common: Body = {"id": f"chat-{number}", "created": CREATED, "model": body["model"], **more}
    if not body.get("stream"):
        return _json({**common, "object": "chat.completion", "choices": [_choice()], "usage": PLAIN_CHAT_USAGE})
    chunk = {**common, "object": "chat.completion.chunk"}
    *chunks, end = ({**chunk, "choices": choices} for choices in _deltas())
    return _events([*map(_data, chunks), _data(last(end)), b"data: [DONE]\n\n"])


def _choice() -> Body:
    message = {"role": "assistant", "content": TEXT}
    return {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}


def _deltas() -> list[list[Body]]:
    deltas = [{"role": "assistant", "content": ""}, *({"content": word} for word in WORDS)]
    steps: list[list[Body]] = [[{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas]
    return [*steps, [{"index": 0, "delta": {}, "finish_reason": "stop"}]]


def openai_responses(number: int, body: Body) -> Answer:
    """https://developers.openai.com/api/reference/resources/responses"""
    *events, completed = responses_events(number, body)
    if not body.get("stream"):
        return _json(completed["response"])
    return _events([_named(event) for event in (*events, completed)])


def responses_events(number: int, body: Body) -> list[Body]:
    """The events of one response, as SSE and as WebSocket messages. The last one has the whole response."""
    prewarm = body.get("generate") is False  # Codex, before its first turn: nothing is generated
    item, said = _called(number, tool) if (tool := tool_to_call(body)) else _said(number)
    usage = {
        "input_tokens": INPUT_TOKENS,
        "input_tokens_details": {"cached_tokens": CACHED_TOKENS},
        "output_tokens": OUTPUT_TOKENS,
        "output_tokens_details": {"reasoning_tokens": REASONING_TOKENS},
        "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
    }
    begun = {
        **{"id": f"resp_{number}", "object": "response", "created_at": CREATED, "status": "in_progress"},
        **{"error": None, "incomplete_details": None, "instructions": None, "metadata": {}, "model": body["model"]},
        **{"output": [], "parallel_tool_calls": True, "service_tier": "default", "temperature": 1.0, "top_p": 1.0},
        **{"tool_choice": "auto", "tools": [], "usage": None, "text": {"format": {"type": "text"}}},
    }
    ended = begun | {"status": "completed", "output": [] if prewarm else [item], "usage": None if prewarm else usage}
    events: list[Body] = [
        {"type": "response.created", "response": begun},
        *([] if prewarm else said),
        {"type": "response.completed", "response": ended},
    ]
    return [event | {"sequence_number": place} for place, event in enumerate(events)]


def _said(number: int) -> tuple[Body, list[Body]]:
    """An output item with words, and its events."""
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": TEXT}
    item = {"id": f"msg_{number}", "type": "message", "status": "completed", "role": "assistant", "content": [part]}
    here = {"item_id": item["id"], "output_index": 0, "content_index": 0}
    return item, [
        {"type": "response.output_item.added", "output_index": 0, "item": item | {"content": []}},
        {"type": "response.content_part.added", **here, "part": part | {"text": ""}},
        *({"type": "response.output_text.delta", **here, "delta": word, "logprobs": []} for word in WORDS),
        {"type": "response.output_text.done", **here, "text": TEXT, "logprobs": []},
        {"type": "response.content_part.done", **here, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
    ]


def _called(number: int, tool: str) -> tuple[Body, list[Body]]:
    """An output item that calls a tool, and its events."""
    arguments = json.dumps(TOOLS[tool])
    call: Body = {"type": "function_call", "name": tool, "call_id": f"call_{number}", "status": "completed"}
    item = {"id": f"fc_{number}", **call, "arguments": arguments}
    here = {"item_id": item["id"], "output_index": 0}
    return item, [
        {"type": "response.output_item.added", "output_index": 0, "item": item | {"arguments": ""}},
        {"type": "response.function_call_arguments.delta", **here, "delta": arguments},
        {"type": "response.function_call_arguments.done", **here, "arguments": arguments},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
    ]


def anthropic_messages(number: int, body: Body) -> Answer:
    """https://platform.claude.com/docs/en/api/messages: `input_tokens` is without what the cache has."""
    usage = {
        "input_tokens": INPUT_TOKENS - CACHED_TOKENS,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": CACHED_TOKENS,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": OUTPUT_TOKENS,
        "service_tier": "standard",
    }
    message = {"id": f"msg_{number}", "type": "message", "role": "assistant", "model": body["model"]}
    tool = tool_to_call(body)
    stop = {"stop_reason": "tool_use" if tool else "end_turn", "stop_sequence": None}
    block: Body = {"type": "text", "text": TEXT}
    empty: Body = {"input": {}} if tool else {"text": ""}
    deltas: list[Body] = [{"type": "text_delta", "text": word} for word in WORDS]
    if tool:
        block = {"type": "tool_use", "id": f"toolu_{number}", "name": tool, "input": TOOLS[tool]}
        deltas = [{"type": "input_json_delta", "partial_json": json.dumps(TOOLS[tool])}]
    if not body.get("stream"):
        return _json({**message, "content": [block], **stop, "usage": usage})
    begun = {
        **message,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage | {"output_tokens": 1},
    }
    events: list[Body] = [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": block | empty},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": stop, "usage": usage},
        {"type": "message_stop"},
    ]
    return _events([_named(event) for event in events])


def gemini_json(number: int, model: str) -> Answer:
    """https://ai.google.dev/api/generate-content"""
    return _json(_gemini(number, model, {"text": TEXT}, is_last=True))


def gemini_stream(number: int, model: str, body: Body, *, as_events: bool) -> Answer:
    """Server-sent events with `?alt=sse`, else one JSON array that comes in parts."""
    tool = tool_to_call(body)
    parts: list[Body] = (
        [{"functionCall": {"name": tool, "args": TOOLS[tool]}}] if tool else [{"text": word} for word in WORDS]
    )
    chunks = [_gemini(number, model, part, is_last=part is parts[-1]) for part in parts]
    if as_events:
        return _events([b"data: " + json.dumps(chunk).encode() + b"\r\n\r\n" for chunk in chunks])
    starts = [b"[", *[b",\r\n"] * (len(chunks) - 1)]
    pieces = (start + json.dumps(chunk).encode() for start, chunk in zip(starts, chunks, strict=True))
    return Answer((*pieces, b"]"))


def _gemini(number: int, model: str, part: Body, *, is_last: bool) -> Body:
    candidate: Body = {"content": {"role": "model", "parts": [part]}, "index": 0}
    usage = {
        "promptTokenCount": INPUT_TOKENS,
        "cachedContentTokenCount": CACHED_TOKENS,
        "candidatesTokenCount": OUTPUT_TOKENS - REASONING_TOKENS,
        "thoughtsTokenCount": REASONING_TOKENS,
        "totalTokenCount": INPUT_TOKENS + OUTPUT_TOKENS,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": INPUT_TOKENS}],
        "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": CACHED_TOKENS}],
    }
    end = {"finishReason": "STOP"} if is_last else {}
    return {
        "candidates": [candidate | end],
        "usageMetadata": usage,
        "modelVersion": model,
        "responseId": f"gemini-{number}",
    }


def cohere_chat(number: int, body: Body) -> Answer:
    """https://docs.cohere.com/v2/reference/chat: billed is what `billed_units` says; `tokens` has a preamble in it."""
    usage = {
        "billed_units": {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS},
        "tokens": {"input_tokens": INPUT_TOKENS + 60, "output_tokens": OUTPUT_TOKENS + 2},
    }
    said = {"role": "assistant", "content": [{"type": "text", "text": TEXT}]}
    if not body.get("stream"):
        return _json({"id": f"cohere-{number}", "finish_reason": "COMPLETE", "message": said, "usage": usage})
    content = {"type": "text", "text": ""}
    begun = {"message": {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}}
    events: list[Body] = [
        {"type": "message-start", "id": f"cohere-{number}", "delta": begun},
        {"type": "content-start", "index": 0, "delta": {"message": {"content": content}}},
        *({"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": word}}}} for word in WORDS),
        {"type": "content-end", "index": 0},
        {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": usage}},
    ]
    return _events([_named(event) for event in events])


BEDROCK_USAGE: Final[Body] = {
    "inputTokens": INPUT_TOKENS,
    "outputTokens": OUTPUT_TOKENS,
    "totalTokens": INPUT_TOKENS + OUTPUT_TOKENS,
}


def bedrock_converse() -> Answer:
    """https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html"""
    output = {"message": {"role": "assistant", "content": [{"text": TEXT}]}}
    ended = {"stopReason": "end_turn", "usage": BEDROCK_USAGE, "metrics": {"latencyMs": 1}}
    return _json({"output": output, **ended})


def bedrock_converse_stream() -> Answer:
    deltas = ({"contentBlockIndex": 0, "delta": {"text": word}} for word in WORDS)
    pieces = (
        frame("event", "messageStart", {"role": "assistant"}),
        *(frame("event", "contentBlockDelta", delta) for delta in deltas),
        frame("event", "contentBlockStop", {"contentBlockIndex": 0}),
        frame("event", "messageStop", {"stopReason": "end_turn"}),
        frame("event", "metadata", {"usage": BEDROCK_USAGE, "metrics": {"latencyMs": 1}}),
    )
    return Answer(pieces, "application/vnd.amazon.eventstream")


def ollama_chat(body: Body) -> Answer:
    """https://docs.ollama.com/api/chat: one JSON object a line, the counts in the last."""
    common = {"model": body["model"], "created_at": "2026-01-01T00:00:00Z"}
    end = {
        **{"done": True, "done_reason": "stop", "total_duration": 5, "load_duration": 1, "prompt_eval_duration": 1},
        **{"prompt_eval_count": INPUT_TOKENS, "eval_count": OUTPUT_TOKENS, "eval_duration": 2},
    }
    if body.get("stream") is False:
        return _json({**common, "message": {"role": "assistant", "content": TEXT}, **end})
    lines = [{**common, "message": {"role": "assistant", "content": word}, "done": False} for word in WORDS]
    last = {**common, "message": {"role": "assistant", "content": ""}, **end}
    return Answer(tuple(json.dumps(line).encode() + b"\n" for line in (*lines, last)), "application/x-ndjson")
