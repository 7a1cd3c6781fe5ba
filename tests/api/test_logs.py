"""Logs as the published packages and plain `requests` send them, and the rows they become."""

import asyncio
import json
import time
import uuid
from datetime import UTC
from typing import Any

import pytest
import requests
from helicone_helpers import HeliconeManualLogger

from tests.api.served import Server

QUESTION = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello."}]}
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
}
COST = 100 * 150 + 10 * 600  # 0.15 and 0.60 USD a million
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
    "content": [{"type": "text", "text": "Hello."}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 7},
}


def log(**changes: Any) -> dict[str, Any]:
    """A log of the documented form; a change is of one field, dots as `__`, None leaves it out."""
    body: dict[str, Any] = {
        "providerRequest": {"url": "custom-model-nopath", "json": QUESTION, "meta": {}},
        "providerResponse": {"json": ANSWER, "status": 200, "headers": {}},
        "timing": {
            "startTime": {"seconds": 1_795_262_400, "milliseconds": 250},
            "endTime": {"seconds": 1_795_262_401, "milliseconds": 750},
            "timeToFirstToken": 120,
        },
    }
    for name, value in changes.items():
        *parents, last = name.split("__")
        parent = body
        for key in parents:
            parent = parent[key]
        if value is None:
            del parent[last]
        else:
            parent[last] = value
    return body


def post(server: Server, body: Any, path: str = "/oai/v1/log", **headers: str) -> requests.Response:
    return requests.post(server.url + path, json=body, headers={"Authorization": "Bearer sk-helicone-x"} | headers)


def logged(server: Server, body: object, path: str = "/oai/v1/log", **headers: str) -> dict[str, Any]:
    """The row of a log."""
    answer = post(server, body, path, **headers)
    assert (answer.status_code, answer.text) == (200, "ok"), answer.text
    return server.row(answer.headers["helicone-id"])


def epoch_s(row: dict[str, Any]) -> float:
    """When the call began."""
    return float(row["started_at"].replace(tzinfo=UTC).timestamp())


def test_a_log_is_a_row_like_that_of_a_proxied_call(server: Server) -> None:
    given = str(uuid.uuid4())
    meta = {"Helicone-Request-Id": given, "Helicone-User-Id": "u1", "Helicone-Property-Feature": "chat"}
    row = logged(server, log(providerRequest__meta=meta))
    assert (row["request_id"], row["mode"], row["attempts"], row["overhead_ms"]) == (given, "async", 1, None)
    assert (row["provider_name"], row["operation_name"]) == ("openai", "chat")
    assert (row["host"], row["path"], row["method"]) == ("api.openai.com", "/v1/chat/completions", "POST")
    assert (row["request_model"], row["response_model"]) == ("gpt-4o-mini", "gpt-4o-mini-2024-07-18")
    assert (row["input_tokens"], row["output_tokens"], row["cost_nanousd"]) == (100, 10, COST)
    assert (row["usage_source"], row["status"], row["error_type"]) == ("provider", 200, None)
    assert (row["user_id"], row["properties"]) == ("u1", {"feature": "chat"})
    assert row["started_at"].isoformat() == "2026-11-21T12:00:00.250000"
    assert (row["duration_ms"], row["time_to_first_token_ms"]) == (1500, 120)
    assert row["client"].startswith("python-requests/")
    assert row["helicone_key_hash"] and row["api_key_hash"] is None
    body = server.body(given)
    assert (json.loads(body["request_body"]), body["response_text"]) == (QUESTION, "Hello.")


def test_headers_of_the_post_count_and_those_of_the_call_win(server: Server) -> None:
    meta = {"helicone-user-id": "of the call", "Helicone-Property-N": 3}
    headers = {"Helicone-User-Id": "of the post", "Helicone-Session-Id": "s1", "Helicone-Property-Env": "test"}
    row = logged(server, log(providerRequest__meta=meta), **headers)
    assert (row["user_id"], row["session_id"], row["properties"]) == ("of the call", "s1", {"n": "3", "env": "test"})


def test_the_url_says_whose_call_it_was(server: Server) -> None:
    url = "https://api.anthropic.com/v1/messages"
    row = logged(server, log(providerRequest__url=url, providerResponse__json=MESSAGE), "/custom/v1/log")
    assert (row["provider_name"], row["host"], row["path"]) == ("anthropic", "api.anthropic.com", "/v1/messages")
    assert (row["input_tokens"], row["cache_read_input_tokens"], row["output_tokens"]) == (100, 90, 7)
    assert row["cost_nanousd"] == 10 * 3000 + 90 * 300 + 7 * 15000
    assert row["finish_reasons"] == ["end_turn"]


@pytest.mark.parametrize(
    ("path", "provider", "model", "placed"),
    [
        ("/anthropic/v1/log", None, "claude-sonnet-4-5-20250929", "anthropic"),
        ("/custom/v1/log", "ANTHROPIC", "claude-sonnet-4-5-20250929", "anthropic"),
        ("/v1/trace/custom/v1/log", None, "claude-sonnet-4-5-20250929", "anthropic"),
    ],
)
def test_without_a_url_the_provider_is_stated_or_seen(
    server: Server, path: str, provider: str | None, model: str, placed: str
) -> None:
    request = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    changes = {"provider": provider} if provider else {}
    row = logged(server, log(providerRequest__json=request, providerResponse__json=MESSAGE, **changes), path)
    assert (row["provider_name"], row["operation_name"], row["path"]) == (placed, "chat", "/v1/messages")
    assert row["cost_nanousd"] == 162_000


def test_responses_embeddings_and_completions_are_told_by_their_shape(server: Server) -> None:
    response = {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "model": "gpt-4o-mini-2024-07-18",
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hello."}]}],
        "usage": {"input_tokens": 100, "output_tokens": 10},
    }
    embeddings = {
        "object": "list",
        "model": "text-embedding-3-small",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.1]}],
        "usage": {"prompt_tokens": 100, "total_tokens": 100},
    }
    row = logged(
        server, log(providerRequest__json={"model": "gpt-4o-mini", "input": "hi"}, providerResponse__json=response)
    )
    assert (row["operation_name"], row["path"], row["cost_nanousd"]) == ("responses", "/v1/responses", COST)
    request = {"model": "text-embedding-3-small", "input": "hi"}
    row = logged(server, log(providerRequest__json=request, providerResponse__json=embeddings))
    assert (row["operation_name"], row["input_tokens"], row["cost_nanousd"]) == ("embeddings", 100, 2000)


def test_a_call_to_an_unknown_provider_keeps_its_name_and_its_tokens(server: Server) -> None:
    answer = ANSWER | {"model": "llama-3.3-70b"}
    row = logged(
        server,
        log(provider="My Rack", providerRequest__json={"model": "llama-3.3-70b"}, providerResponse__json=answer),
        "/custom/v1/log",
    )
    assert (row["provider_name"], row["operation_name"], row["host"], row["path"]) == ("my rack", "chat", "", "")
    assert (row["input_tokens"], row["output_tokens"], row["cost_nanousd"]) == (100, 10, None)
    row = logged(server, log(providerResponse__json={"words": 3}, providerRequest__json={}), "/custom/v1/log")
    assert (row["provider_name"], row["operation_name"]) == ("custom", "unknown")
    assert (row["input_tokens"], row["cost_nanousd"]) == (None, None)


def test_a_stated_cost_is_the_cost(server: Server) -> None:
    row = logged(server, log(providerResponse__cost=0.0123))
    assert (row["cost_nanousd"], row["cost_source"]) == (12_300_000, "provider")


def test_streamed_data_is_a_stream(server: Server) -> None:
    chunks: list[Any] = [
        {"id": "c1", "object": "chat.completion.chunk", "model": "gpt-4o-mini-2024-07-18", "choices": []},
        {"id": "c1", "choices": [{"index": 0, "delta": {"content": "Hello."}, "finish_reason": "stop"}]},
        {"id": "c1", "choices": [], "usage": ANSWER["usage"]},
        "[DONE]",
    ]
    row = logged(server, log(providerResponse__json={"streamed_data": chunks}), "/custom/v1/log")
    assert (row["is_stream"], row["provider_name"], row["cost_nanousd"]) == (True, "openai", COST)
    assert server.body(row["request_id"])["response_text"] == "Hello."


def test_text_may_be_json_a_stream_or_lines_of_chunks(server: Server) -> None:
    chunks = [
        {"object": "chat.completion.chunk", "model": "gpt-4o-mini", "choices": [{"delta": {"content": "Hel"}}]},
        {"object": "chat.completion.chunk", "model": "gpt-4o-mini", "choices": [{"delta": {"content": "lo."}}]},
        {"object": "chat.completion.chunk", "choices": [], "usage": ANSWER["usage"]},
    ]
    lines = [json.dumps(chunk) for chunk in chunks]
    for text, is_stream in (
        (json.dumps(ANSWER), False),
        ("".join(f"data: {line}\n\n" for line in lines) + "data: [DONE]\n\n", True),
        ("\n".join(lines), True),
        ("Traceback (most recent call last):\n  boom\n\n" + "\n".join(lines), True),
    ):
        row = logged(server, log(providerResponse__json={}, providerResponse__textBody=text))
        assert (row["is_stream"], row["operation_name"]) == (is_stream, "chat"), text
        body = server.body(row["request_id"])
        assert body["response_text"] == "Hello.", text
        if not text.startswith("Trace"):  # a cut stream has no last word, yet its usage is stated
            assert row["input_tokens"] == 100
        else:
            assert "boom" in body["response_body"]
    row = logged(server, log(providerResponse__json={}, providerResponse__textBody="Hello."))
    assert server.body(row["request_id"])["response_body"] == "Hello."


def test_a_cancelled_stream_is_estimated_as_a_proxied_one(server: Server) -> None:
    text = json.dumps({"object": "chat.completion.chunk", "choices": [{"delta": {"content": "Hello there"}}]})
    row = logged(server, log(providerResponse__json={}, providerResponse__textBody=text, providerResponse__status=-3))
    assert (row["status"], row["error_type"], row["usage_source"]) == (-3, "client_disconnected", "estimated")
    assert row["output_tokens"] > 0 and row["cost_nanousd"] > 0


def test_an_error_answer_is_free_and_has_the_providers_own_type(server: Server) -> None:
    error: Any = {"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}}
    row = logged(server, log(providerResponse__json=error, providerResponse__status=429))
    assert (row["status"], row["error_type"], row["cost_nanousd"]) == (429, "requests", 0)
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "later"}}
    row = logged(server, log(providerResponse__json=error, providerResponse__status=529), "/anthropic/v1/log")
    assert (row["error_type"], row["path"], row["operation_name"]) == ("overloaded_error", "/v1/messages", "chat")


def test_without_timing_the_call_starts_now_and_its_duration_is_unknown(server: Server) -> None:
    before = time.time()
    row = logged(server, log(timing=None))
    assert before - 1 <= epoch_s(row) <= time.time() + 1
    assert (row["duration_ms"], row["time_to_first_token_ms"]) == (None, None)


def test_omitted_bodies_are_in_no_file_and_counted(server: Server) -> None:
    meta = {"Helicone-Omit-Request": "true", "Helicone-Omit-Response": "true"}
    secret = "the quick brown fox"
    request = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": secret}]}
    answer = ANSWER | {"choices": [{"index": 0, "message": {"content": secret}, "finish_reason": "stop"}]}
    for path in ("/oai/v1/log", "/custom/v1/log"):
        changes: dict[str, Any] = {} if path.startswith("/oai") else {"provider": "rack"}
        row = logged(
            server,
            log(providerRequest__meta=meta, providerRequest__json=request, providerResponse__json=answer, **changes),
            path,
        )
        assert (row["input_tokens"], row["request_model"]) == (100, "gpt-4o-mini")
        body = server.body(row["request_id"])
        assert (body["request_body"], body["response_body"], body["response_text"]) == (None, None, None)
    for file in server.data.rglob("*"):
        assert not file.is_file() or secret.encode() not in file.read_bytes(), file


def test_events_beside_model_calls_are_rows_without_tokens(server: Server) -> None:
    for request, operation, model in (
        ({"_type": "tool", "toolName": "search", "input": {"q": "x"}}, "execute_tool", "tool:search"),
        ({"_type": "vector_db", "operation": "search", "text": "x"}, "retrieval", "vector_db"),
        ({"_type": "vector_db", "operation": "insert"}, "vector_db_insert", "vector_db"),
        ({"_type": "data", "name": "query"}, "data", "query"),
    ):
        row = logged(server, log(providerRequest__json=request, providerResponse__json={"n": 1}), "/custom/v1/log")
        assert (row["provider_name"], row["operation_name"], row["request_model"]) == ("custom", operation, model)
        assert (row["input_tokens"], row["output_tokens"], row["cost_nanousd"]) == (None, None, None)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"providerRequest": 3}, "providerRequest: is required, as an object"),
        ({"providerRequest": None}, "providerRequest: is required, as an object"),
        ({"providerResponse": None}, "providerResponse: is required, as an object"),
        ({"providerRequest__url": 7}, "providerRequest.url: must be a text"),
        ({"providerRequest__json": None}, "providerRequest.json: is required, as an object"),
        ({"providerRequest__meta": "x"}, "providerRequest.meta: must be an object"),
        ({"providerRequest__meta": {"a": []}}, "providerRequest.meta.a: must be a text"),
        ({"providerResponse__status": "200"}, "providerResponse.status: must be a number"),
        ({"providerResponse__status": 1e9}, "providerResponse.status: must be an HTTP status"),
        ({"providerResponse__json": None}, "providerResponse.json: is required, or a textBody"),
        ({"providerResponse__headers": []}, "providerResponse.headers: must be an object"),
        ({"providerResponse__cost": -1}, "providerResponse.cost: must be an amount of USD"),
        ({"timing__startTime": 5}, "timing.startTime.seconds: must be a number"),
        ({"timing__endTime": {"seconds": 5}}, "timing.endTime.milliseconds: must be a number"),
        ({"timing__endTime": {"seconds": 5, "milliseconds": 0}}, "timing.endTime: is before startTime"),
        ({"timing__startTime": {"seconds": 1_795_262_400_000, "milliseconds": 0}}, "timing.startTime: must be seconds"),
        ({"timing__timeToFirstToken": "soon"}, "timing.timeToFirstToken: must be milliseconds"),
        ({"timing__timeToFirstToken": 1e300}, "timing.timeToFirstToken: must be milliseconds"),
        ({"provider": 7}, "provider: must be a text"),
    ],
)
def test_a_wrong_field_is_named(server: Server, changes: dict[str, Any], says: str) -> None:
    answer = post(server, log(**changes))
    assert answer.status_code == 400
    assert says in answer.json()["error"], answer.text


def test_a_body_that_is_not_a_log_is_refused(server: Server) -> None:
    for body in (b"", b"{", b"[]", b"null", b'{"a": NaN}'):
        answer = requests.post(f"{server.url}/oai/v1/log", data=body)
        assert (answer.status_code, answer.json()["data"]) == (400, None)
    answer = post(server, log(providerRequest__json={"x": "x" * (10 * 2**20)}))
    assert answer.status_code == 413 and "longer than 10485760 bytes" in answer.text


def test_an_odd_header_is_a_warning(server: Server) -> None:
    answer = post(server, log(providerRequest__meta={"Helicone-Request-Id": "mine"}))
    assert "Helicone-Request-Id" in answer.headers["Helicone-Warning"]
    assert server.row(answer.headers["Helicone-Id"])["status"] == 200


def test_the_jawn_paths_take_logs_too(server: Server) -> None:
    answer = post(server, log(), "/v1/trace/custom/log")
    assert (answer.status_code, answer.content) == (204, b"")
    assert server.row(answer.headers["Helicone-Id"])["provider_name"] == "openai"

    timing = {"startTime": "1795262400", "endTime": "2026-11-21T12:00:02Z", "timeToFirstToken": 5}
    row = logged(server, log(timing=timing), "/v1/trace/custom/log/typed")
    assert (row["started_at"].isoformat(), row["duration_ms"]) == ("2026-11-21T12:00:00", 2000)
    answer = post(server, {"providerRequest": {"url": "x"}}, "/v1/trace/custom/log/typed")
    assert (answer.status_code, answer.json()["isValid"]) == (400, False)
    assert {"field": "providerResponse", "message": "is required, as an object"} in answer.json()["errors"]


# Helicone's own package for Python.


def wanted(server: Server, user: str, number: int = 1) -> list[dict[str, Any]]:
    return server.wait_rows(number, "user_id = $user", user=user)


def test_the_manual_logger_of_helicone_helpers(server: Server) -> None:
    headers = {"Helicone-User-Id": "manual", "Helicone-Property-Env": "test"}
    logger = HeliconeManualLogger(api_key="sk-helicone-x", headers=headers, logging_endpoint=server.url)

    def call(recorder: Any) -> str:
        recorder.append_results(ANSWER)
        return "done"

    more = {"Helicone-Session-Id": "s9", "Helicone-Session-Path": "/a"}
    assert logger.log_request(QUESTION, call, more, provider="openai") == "done"
    (row,) = wanted(server, "manual")
    assert (row["provider_name"], row["operation_name"], row["mode"]) == ("openai", "chat", "async")
    assert (row["response_model"], row["input_tokens"], row["cost_nanousd"]) == ("gpt-4o-mini-2024-07-18", 100, COST)
    assert (row["session_id"], row["session_path"], row["properties"]) == ("s9", "/a", {"env": "test"})
    assert abs(epoch_s(row) - time.time()) < 60 and row["duration_ms"] is not None


def test_the_log_builder_of_helicone_helpers_with_a_stream(server: Server) -> None:
    logger = HeliconeManualLogger(api_key="k", headers={"Helicone-User-Id": "builder"}, logging_endpoint=server.url)
    builder = logger.log_builder(QUESTION | {"stream": True})
    builder.add_chunk({"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "Hello."}}]})
    builder.add_chunk({"object": "chat.completion.chunk", "choices": [], "usage": ANSWER["usage"]})
    asyncio.run(builder.send_log())
    (row,) = wanted(server, "builder")
    assert (row["provider_name"], row["is_stream"]) == ("openai", True)
    assert row["time_to_first_token_ms"] is not None
    assert server.body(row["request_id"])["response_text"] == "Hello."
    assert row["input_tokens"] == 100


def test_a_tool_of_helicone_helpers(server: Server) -> None:
    logger = HeliconeManualLogger(api_key="k", headers={"Helicone-User-Id": "tool"}, logging_endpoint=server.url)
    request = {"_type": "tool", "toolName": "weather", "input": {"city": "Zurich"}}
    logger.log_request(request, lambda recorder: recorder.append_results({"degrees": 3}))
    (row,) = wanted(server, "tool")
    assert (row["operation_name"], row["request_model"]) == ("execute_tool", "tool:weather")
