"""Calls with bodies as programs and providers send them, for exports."""

import json
from datetime import datetime, timedelta
from typing import Any

from addon.storage.record import BodyRow, RequestRow
from tests.analysis.writing import FIRST_DAY

CALLS = {
    "openai": ("chat", "api.openai.com", "/v1/chat/completions"),
    "responses": ("responses", "api.openai.com", "/v1/responses"),
    "anthropic": ("chat", "api.anthropic.com", "/v1/messages"),
    "gemini": (
        "generate_content",
        "generativelanguage.googleapis.com",
        "/v1beta/models/gemini-2.5-pro:generateContent",
    ),
}
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "function": {"name": "weather", "description": "Of a city", "parameters": WEATHER}}


def call(
    number: int, request: object, response: object, *, shape: str = "openai", **more: Any
) -> tuple[RequestRow, BodyRow]:
    """A finished call; `number` gives its id and the minute it began."""
    operation, host, path = CALLS[shape]
    at: datetime = more.pop("started_at", FIRST_DAY + timedelta(minutes=number))
    request_id = f"0199f000-0000-7000-8000-{number:012x}"
    row: dict[str, Any] = {
        "provider_name": "openai" if shape == "responses" else shape,
        "operation_name": operation,
        "request_model": "a-model",
        "host": host,
        "path": path,
        "status": 200,
        "duration_ms": 1500,
        **more,
    }
    texts = [
        None if body is None else body if isinstance(body, str) else json.dumps(body) for body in (request, response)
    ]
    body = BodyRow(request_id=request_id, started_at=at, request_body=texts[0], response_body=texts[1])
    return RequestRow(request_id=request_id, started_at=at, **row), body


def chat(*messages: tuple[str, str], **more: Any) -> dict[str, Any]:
    """A request of chat completions."""
    return {"model": "gpt-4o", "messages": [{"role": role, "content": text} for role, text in messages], **more}


def answer(text: str | None, finish_reason: str = "stop", **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": text, **more}
    return {"object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}]}


def tool_calls(*arguments: str) -> list[dict[str, Any]]:
    return [
        {"id": f"call_{index}", "type": "function", "function": {"name": "weather", "arguments": given}}
        for index, given in enumerate(arguments)
    ]
