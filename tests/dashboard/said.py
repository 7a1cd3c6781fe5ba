"""A data folder for the pages of requests and sessions: an agent's session, a hostile one, a very long one, a huge body."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from addon.settling.parquet import read_parts, write_parquet
from addon.settling.settled_files import dump_line, row_fields
from addon.storage.folders import Folders
from addon.storage.record import BodyRow, RequestRow
from tests.analysis.writing import segment

BEGIN: Final = datetime(2026, 11, 20, 9, tzinfo=UTC)
XSS: Final = '"><img src=https://evil.example/x onerror=alert(1)><script>alert(2)</script>{{7*7}}'
RTL: Final = "שלום \u202eabc\u202c مرحبا Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤a͒l͎g͠o 👩‍👩‍👧"
PIXEL: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
AGENT: Final = tuple(f"0199f000-0000-7000-8000-00000000000{number}" for number in range(4))
HOSTILE: Final = "0199f000-0000-7000-8000-0000000000aa"
HUGE: Final = "0199f000-0000-7000-8000-0000000000bb"
HOSTILE_SESSION: Final = f"../..//-/?#%2F~{XSS}"
LONG_SESSION: Final = "long"
LONG_CALLS: Final = 5000

Pair = tuple[RequestRow, BodyRow]


def write(data: Path) -> None:
    """As Parquet: of settled lines every question would read the huge body."""
    pairs = [*_agent(), _hostile(), _huge(), *(_of_long_session(number) for number in range(LONG_CALLS))]
    for table, records in (("requests", [row for row, _ in pairs]), ("bodies", [bodies for _, bodies in pairs])):
        lines = [dump_line(row_fields(record)) for record in records]
        write_parquet(Folders(data).parquet(table, segment(1), BEGIN.date()), table, read_parts(lines, table))


def _pair(request_id: str, at_s: float, request: Any, response: Any, bodies: dict[str, Any], **row: Any) -> Pair:
    known: dict[str, Any] = {
        "request_id": request_id,
        "started_at": BEGIN + timedelta(seconds=at_s),
        "provider_name": "anthropic",
        "operation_name": "chat",
        "request_model": "claude-sonnet-4-5",
        "response_model": "claude-sonnet-4-5",
        "host": "api.anthropic.com",
        "path": "/v1/messages",
        "status": 200,
        "duration_ms": 2400,
        "input_tokens": 1200,
        "output_tokens": 340,
        "usage_source": "provider",
        "usage_raw": '{"input_tokens": 1200, "output_tokens": 340}',
        "cost_nanousd": 8_700_000,
        "cost_source": "genai-prices",
        "request_bytes": 900,
        "response_bytes": 400,
    }
    asked, answered = (each if isinstance(each, str) else json.dumps(each) for each in (request, response))
    return (
        RequestRow(**known | row),
        BodyRow(
            request_id=request_id,
            started_at=known["started_at"],
            request_body=asked,
            response_body=answered,
            **{"response_text": None} | bodies,
        ),
    )


def _agent() -> list[Pair]:
    """Two turns of an agent with a tool between them, a sub-agent's call, and a last call that failed at first."""
    asked = {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is on this picture?\n\n* one\n* **two**\n\n```python\nprint('hi')\n```"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        ],
    }
    called = {
        "role": "assistant",
        "content": [
            {"type": "text", "text": "I look it up."},
            {"type": "tool_use", "id": "toolu_1", "name": "search_pictures", "input": {"query": "red dot", "most": 3}},
        ],
    }
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "a red dot\nof one pixel"}
    thought = {"type": "thinking", "thinking": "The person wants to know what it shows.", "signature": "x"}
    first = {"role": "assistant", "content": [thought, *called["content"]]}
    usual = {"session_id": "agent-run", "session_name": "Look at the picture", "user_id": "ada", "attempts": 1}
    headers = {"request_headers": {"anthropic-version": "2023-06-01", "content-type": "application/json"}}
    return [
        _pair(AGENT[0], 0, _request([asked]), _answer(first, "tool_use"), headers, session_path="/look", **usual),
        _pair(
            AGENT[1],
            4,
            _request([{"role": "user", "content": "Search for a red dot."}], system="Search."),
            _answer({"content": [{"type": "text", "text": "Found."}]}, "end_turn"),
            headers,
            session_path="/look/search",
            **usual,
        ),
        _pair(
            AGENT[2],
            8,
            _request([asked, called, {"role": "user", "content": [result]}], temperature=0.2),
            _stream("It is a red dot."),
            headers
            | {
                "response_headers": {"content-type": "text/event-stream", "request-id": "req_1"},
                "response_piece_times": _times(_stream("It is a red dot.")),
            },
            session_path="/look",
            is_stream=True,
            time_to_first_token_ms=400,
            **usual,
        ),
        _pair(
            AGENT[3],
            12,
            _request([{"role": "user", "content": "Again."}]),
            _answer({"content": [{"type": "text", "text": "No."}]}, "end_turn"),
            headers,
            session_path="/say",
            fallback_index=1,
            failed_attempts=json.dumps(
                [
                    {
                        "provider_name": "openai",
                        "host": "api.openai.com",
                        "status": 503,
                        "error_type": None,
                        "started_ms": 0,
                        "duration_ms": 700,
                    }
                ]
            ),
            **usual | {"attempts": 2},
        ),
    ]


def _hostile() -> Pair:
    """A script in every field, and text of every direction."""
    said = [
        {"role": XSS, "content": XSS},
        {"role": "user", "content": f"{RTL}\n{XSS}"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": XSS, "name": XSS, "input": {XSS: XSS}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": XSS, "content": XSS}]},
        {
            "role": "user",
            "content": [
                {"type": "image", "source": {"type": "url", "url": "https://evil.example/pixel.png"}},
                {"type": "image", "source": {"type": "base64", "media_type": "image/svg+xml", "data": "PHN2Zz4="}},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": '" onerror="x'}},
                {"type": XSS, "raw": XSS},
            ],
        },
    ]
    texts = (
        *("provider_name", "operation_name", "request_model", "response_model", "response_id", "method", "host"),
        *("path", "mode", "error_type", "usage_source", "usage_quality", "cost_source", "cache_status"),
        *("cache_reference_id", "user_id", "session_path", "session_name", "prompt_id", "rate_limit_status"),
        *("client", "client_command", "client_cwd", "client_repository", "usage_raw"),
    )
    return _pair(
        HOSTILE,
        100,
        _request(said, system=XSS, tools=[{"name": XSS, "input_schema": {}}]),
        _answer({"content": [{"type": "text", "text": XSS}, {"type": "thinking", "thinking": XSS}]}, XSS),
        {
            "request_headers": {XSS: XSS},
            "response_headers": {"x-request-id": XSS},
            "response_piece_times": "[[1,10],[5,900]]",
        },
        **dict.fromkeys(texts, XSS)
        | {
            "session_id": HOSTILE_SESSION,
            "finish_reasons": (XSS,),
            "properties": {XSS.lower(): XSS},
            "price_factors": {XSS: XSS},
            "failed_attempts": json.dumps([{"provider_name": XSS}]),
            # What decides how the bodies are read stays.
            **{"provider_name": "anthropic", "host": "api.anthropic.com", "path": "/v1/messages", "method": "POST"},
            "operation_name": "chat",
        },
    )


def _huge() -> Pair:
    """16 MB: one message that fills it, and ten thousand small ones."""
    many = [{"role": "user" if number % 2 else "assistant", "content": f"Message {number}"} for number in range(10_000)]
    request = _request([{"role": "user", "content": "long " * 3_200_000}, *many])
    answer = _answer({"content": [{"type": "text", "text": "Too long."}]}, "end_turn")
    return _pair(HUGE, 200, request, answer, {}, request_bytes=len(json.dumps(request)))


def _of_long_session(number: int) -> Pair:
    request = _request([{"role": "user", "content": f"Step {number}"}])
    call = {"content": [{"type": "tool_use", "id": f"t{number}", "name": "Read", "input": {}}]}
    return _pair(
        f"0199f000-0000-7000-9000-{number:012x}",
        300 + number,
        request,
        _answer(call, "tool_use"),
        {},
        session_id=LONG_SESSION,
        session_path=f"/step/{number % 40}",
        duration_ms=500 if number % 7 else None,
        cost_nanousd=1_000_000 if number % 11 else None,
        error_type="overloaded_error" if number % 50 == 0 else None,
    )


def _request(messages: list[Any], **more: Any) -> dict[str, Any]:
    tools = [{"name": "search_pictures", "input_schema": {}}]
    return {
        "model": "claude-sonnet-4-5",
        "max_tokens": 500,
        "system": "Be brief.",
        "tools": tools,
        "messages": messages,
        **more,
    }


def _answer(message: dict[str, Any], reason: str) -> dict[str, Any]:
    return {"id": "msg_1", "type": "message", "role": "assistant", "content": message["content"], "stop_reason": reason}


def _stream(words: str) -> str:
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "msg_1", "role": "assistant", "content": [], "usage": {}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": f"{word} "}}
            for word in words.split()
        ),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}},
        {"type": "message_stop"},
    ]
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)


def _times(stream: str) -> str:
    pieces = [piece + "\n\n" for piece in stream.split("\n\n") if piece]
    return json.dumps([[400 if not number else 35 * number, len(piece)] for number, piece in enumerate(pieces)])
