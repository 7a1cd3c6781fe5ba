"""Answers as the APIs' own documentation shows them, for the tests of readers and prices."""

import json
from typing import Any

Json = dict[str, Any]


def sse(*events: Json | str, named: bool = False) -> bytes:
    """Events as they go over the wire; `named` gives each the `event:` line of its type."""
    lines = []
    for event in events:
        if named and isinstance(event, dict):
            lines.append(f"event: {event['type']}\n")
        lines.append(f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n")
    return "".join(lines).encode()


CHAT: Json = {
    "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
    "object": "chat.completion",
    "created": 1741569952,
    "model": "gpt-4o-2024-08-06",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello! How can I help?", "refusal": None, "annotations": []},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 2006,
        "completion_tokens": 300,
        "total_tokens": 2306,
        "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    },
    "service_tier": "default",
    "system_fingerprint": "fp_fc9f1d7035",
}


def chunk(delta: Json | None = None, finish: str | None = None, index: int = 0, **more: Any) -> Json:
    choices = [] if delta is None else [{"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}]
    return {
        "id": "chatcmpl-123",
        "object": "chat.completion.chunk",
        "created": 1694268190,
        "model": "gpt-4o-mini-2024-07-18",
        "service_tier": "default",
        "choices": choices,
        "usage": None,
    } | more


CHAT_STREAM = sse(
    chunk({"role": "assistant", "content": "", "refusal": None}),
    chunk({"content": "Hel"}),
    chunk({"content": "lo"}),
    chunk({}, finish="stop"),
    chunk(usage={"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10}),
    "[DONE]",
)

RESPONSE: Json = {
    "id": "resp_67ccd3a9da748190baa7f1570fe91ac604becb25c45c1d41",
    "object": "response",
    "created_at": 1741476777,
    "status": "completed",
    "error": None,
    "incomplete_details": None,
    "model": "gpt-5-2025-08-07",
    "output": [
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {
            "type": "message",
            "id": "msg_1",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "It is sunny.", "annotations": []}],
        },
    ],
    "service_tier": "default",
    "tools": [],
    "usage": {
        "input_tokens": 328,
        "input_tokens_details": {"cached_tokens": 128, "cache_write_tokens": 0},
        "output_tokens": 52,
        "output_tokens_details": {"reasoning_tokens": 40},
        "total_tokens": 380,
    },
    "user": None,
}


def response_stream(final: str = "completed", **changes: Any) -> list[Json]:
    started = RESPONSE | {"status": "in_progress", "output": [], "usage": None}
    return [
        {"type": "response.created", "sequence_number": 0, "response": started},
        {"type": "response.in_progress", "sequence_number": 1, "response": started},
        {"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "content": []}},
        {"type": "response.output_text.delta", "item_id": "msg_1", "delta": "It is "},
        {"type": "response.output_text.delta", "item_id": "msg_1", "delta": "sunny."},
        {"type": "response.output_item.done", "output_index": 0, "item": RESPONSE["output"][1]},
        {"type": f"response.{final}", "response": RESPONSE | {"status": final} | changes},
    ]


MESSAGE: Json = {
    "id": "msg_013Zva2CMHLNnjNjJKqJ2EF",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
    "content": [{"type": "text", "text": "Hi! My name is Claude."}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 100,
        "cache_creation_input_tokens": 3000,
        "cache_read_input_tokens": 20000,
        "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 2000},
        "output_tokens": 503,
        "output_tokens_details": {"thinking_tokens": 400},
        "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 2},
        "service_tier": "standard",
        "inference_geo": "not_available",
    },
}


def message_stream(delta_usage: Json, *, stop: bool = True) -> list[Json]:
    start = MESSAGE | {"content": [], "stop_reason": None, "usage": MESSAGE["usage"] | {"output_tokens": 3}}
    end: list[Json] = [
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": delta_usage},
        {"type": "message_stop"},
    ]
    return [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Name?"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Hi! My name"}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": " is Claude."}},
        {"type": "content_block_stop", "index": 1},
        *(end if stop else []),
    ]
