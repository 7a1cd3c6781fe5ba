"""Answers in the shape of Anthropic's API. https://platform.claude.com/docs/en/api/messages"""

from typing import Final

from addon.demo.answer import (
    EVENT_STREAM,
    Answer,
    BadRequest,
    Json,
    Length,
    digest,
    dump,
    named_event,
    required,
    say,
    tool_arguments,
    words_in,
)

DATED: Final = {
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
    "claude-opus-4-1": "claude-opus-4-1-20250805",
}
ERRORS: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
THOUGHT: Final = "The caller wants its own words back, so that is what it gets."


def messages(body: Json, length: Length) -> Answer:
    """POST /v1/messages, JSON or a stream; a thinking block first when `thinking` is enabled.

    A tool that `tool_choice` names is called after the words.
    """
    required(body, "model", "messages")
    if not isinstance(body.get("max_tokens"), int):
        raise BadRequest("max_tokens: field required")
    said = say(words_in(body["messages"]), body["max_tokens"], length)
    call = _tool_call(body)
    thinks = (body.get("thinking") or {}).get("type") in ("enabled", "adaptive")
    thinking_tokens = len(THOUGHT.split()) if thinks else 0
    usage = _input_usage(body)
    tool_tokens = len(words_in(list(call["input"].values()))) if call else 0
    final_usage = usage | {"output_tokens": len(said.words) + thinking_tokens + tool_tokens}
    if thinks:
        final_usage["output_tokens_details"] = {"thinking_tokens": thinking_tokens}
    message = {
        "id": f"msg_01{digest(body)[:22]}",
        "type": "message",
        "role": "assistant",
        "model": DATED.get(body["model"], body["model"]),
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage | {"output_tokens": 1},
    }
    reason = "max_tokens" if said.is_cut else "tool_use" if call else "end_turn"
    stop = {"stop_reason": reason, "stop_sequence": None}
    thought = {"type": "thinking", "thinking": THOUGHT, "signature": digest(THOUGHT)}
    content = [*([thought] if thinks else []), {"type": "text", "text": said.text}]
    calls = [call] if call else []
    if not body.get("stream"):
        return Answer(
            headers=_headers(body), pieces=(dump(message | {"content": content + calls, **stop, "usage": final_usage}),)
        )

    events: list[Json] = [{"type": "message_start", "message": message}]
    if thinks:
        events += _block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            [
                {"type": "thinking_delta", "thinking": THOUGHT},
                {"type": "signature_delta", "signature": digest(THOUGHT)},
            ],
        )
    text_deltas = [{"type": "text_delta", "text": part} for part in said.deltas]
    started, *rest = _block(len(content) - 1, {"type": "text", "text": ""}, text_deltas)
    events += [started, {"type": "ping"}, *rest]
    for block in calls:
        arguments = {"type": "input_json_delta", "partial_json": dump(block["input"]).decode()}
        events += _block(len(content), block | {"input": {}}, [arguments])
    events += [{"type": "message_delta", "delta": stop, "usage": final_usage}, {"type": "message_stop"}]
    return Answer(content_type=EVENT_STREAM, headers=_headers(body), pieces=tuple(map(named_event, events)))


def _tool_call(body: Json) -> Json | None:
    """The call of the tool that `tool_choice` names."""
    match body.get("tool_choice"):
        case {"type": "tool", "name": str(name)}:
            (tool,) = (tool for tool in body["tools"] if tool["name"] == name)
            arguments = tool_arguments(tool["input_schema"], words_in(body["messages"]))
            return {"type": "tool_use", "id": f"toolu_01{digest(body)[:22]}", "name": name, "input": arguments}
    return None


def count_tokens(body: Json, length: Length) -> Answer:
    """POST /v1/messages/count_tokens"""
    required(body, "model", "messages")
    tokens = len(words_in([body.get("system") or "", body["messages"]]))
    return Answer(headers=_headers(body), pieces=(dump({"input_tokens": tokens}),))


def models() -> Answer:
    """GET /v1/models"""
    names = sorted(DATED.values())
    data = [{"type": "model", "id": name, "display_name": name, "created_at": "2025-11-01T00:00:00Z"} for name in names]
    page = {"data": data, "has_more": False, "first_id": names[0], "last_id": names[-1]}
    return Answer(pieces=(dump(page),))


def error_body(status: int, message: str) -> bytes:
    kind = ERRORS.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return dump({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_demo"})


ERROR_EVENT: Final = named_event({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})


def _block(index: int, block: Json, deltas: list[Json]) -> list[Json]:
    return [
        {"type": "content_block_start", "index": index, "content_block": block},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def _input_usage(body: Json) -> dict[str, Json]:
    """Everything up to the last `cache_control` mark is cached; what comes after is `input_tokens`.

    The first turn writes the cache, later ones (there is an assistant message) read it: the same rule for everyone, so
    that no answer depends on an earlier one.
    """
    blocks = _blocks(body)
    marks = [number for number, block in enumerate(blocks) if isinstance(block, dict) and block.get("cache_control")]
    cached = len(words_in(blocks[: marks[-1] + 1])) if marks else 0
    is_later_turn = any(message.get("role") == "assistant" for message in body["messages"])
    written = 0 if is_later_turn else cached
    is_hour = bool(marks) and blocks[marks[-1]]["cache_control"].get("ttl") == "1h"
    return {
        "input_tokens": len(words_in(blocks)) - cached,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cached - written,
        "cache_creation": {
            "ephemeral_5m_input_tokens": 0 if is_hour else written,
            "ephemeral_1h_input_tokens": written if is_hour else 0,
        },
        "service_tier": "standard",
        "inference_geo": "not_available",
    }


def _blocks(body: Json) -> list[Json]:
    """The prompt in reading order: the system's blocks, then those of every message."""
    contents = [body.get("system") or "", *(message.get("content") or "" for message in body["messages"])]
    return [block for content in contents for block in (content if isinstance(content, list) else [content])]


def _headers(body: Json) -> tuple[tuple[str, str], ...]:
    return (
        ("request-id", f"req_{digest(body)}"),
        ("anthropic-organization-id", "00000000-0000-4000-8000-000000000000"),
        ("anthropic-ratelimit-requests-limit", "4000"),
        ("anthropic-ratelimit-requests-remaining", "3999"),
        ("anthropic-ratelimit-requests-reset", "2025-11-01T00:00:01Z"),
    )
