"""Traces as a standard exporter and Helicone's own send them, and the rows they become."""

import gzip
import json
import time
import uuid
from typing import Any

import pytest
import requests
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.trace import Status, StatusCode, Tracer

from tests.api.served import Server

CALL: dict[str, Any] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": 10,
    "gen_ai.input.messages": json.dumps(
        [{"role": "user", "parts": [{"type": "text", "content": "Say hello."}]}],
    ),
    "gen_ai.output.messages": json.dumps(
        [{"role": "assistant", "parts": [{"type": "text", "content": "Hello."}], "finish_reason": "stop"}]
    ),
}
OLD: dict[str, Any] = {
    "gen_ai.system": "OpenAI",
    "llm.request.type": "chat",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
    "gen_ai.prompt.0.role": "user",
    "gen_ai.prompt.0.content": "Say hello.",
    "gen_ai.completion.0.role": "assistant",
    "gen_ai.completion.0.content": "Hello.",
    "gen_ai.completion.0.finish_reason": "stop",
    "gen_ai.usage.prompt_tokens": 100,
    "gen_ai.usage.completion_tokens": 10,
    "llm.usage.total_tokens": 110,
    "llm.user": "ann",
}
INFERENCE: dict[str, Any] = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "gpt-4o-mini",
    "llm.system": "openai",
    "llm.token_count.prompt": 100,
    "llm.token_count.completion": 10,
    "llm.input_messages.0.message.role": "user",
    "llm.input_messages.0.message.content": "Say hello.",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": "Hello.",
}
COST = 100 * 150 + 10 * 600  # 0.15 and 0.60 USD a million


def tracer(
    server: Server, path: str = "/v1/traces", batched: bool = False, **options: Any
) -> tuple[Tracer, TracerProvider]:
    provider = TracerProvider(resource=Resource({"service.name": "shop"}))
    exporter = OTLPSpanExporter(endpoint=server.url + path, **options)
    provider.add_span_processor((BatchSpanProcessor if batched else SimpleSpanProcessor)(exporter))
    return provider.get_tracer("tests"), provider


def session() -> str:
    return str(uuid.uuid4())


@pytest.mark.parametrize("compression", list(Compression))
def test_a_span_of_a_standard_exporter_is_a_row_like_that_of_a_proxied_call(
    server: Server, compression: Compression
) -> None:
    mine, provider = tracer(server, compression=compression, headers={"authorization": "Bearer sk-helicone-x"})
    conversation = session()
    with mine.start_as_current_span("chat gpt-4o-mini", attributes=CALL) as span:
        span.set_attribute("gen_ai.conversation.id", conversation)
        span.set_attribute("enduser.id", "ann")
        time.sleep(0.05)
    assert isinstance(span, ReadableSpan) and span.start_time and span.end_time
    provider.shutdown()
    (row,) = server.wait_rows(1, "session_id = $id", id=conversation)
    assert (row["provider_name"], row["operation_name"], row["mode"]) == ("openai", "chat", "async")
    assert (row["host"], row["path"]) == ("api.openai.com", "/v1/chat/completions")
    assert (row["request_model"], row["response_model"]) == ("gpt-4o-mini", "gpt-4o-mini-2024-07-18")
    assert (row["response_id"], row["finish_reasons"]) == ("chatcmpl-1", ["stop"])
    assert (row["input_tokens"], row["output_tokens"], row["cost_nanousd"]) == (100, 10, COST)
    assert (row["usage_source"], row["status"], row["error_type"]) == ("provider", 200, None)
    assert json.loads(row["usage_raw"])["gen_ai.usage.input_tokens"] == 100
    assert (row["user_id"], row["properties"]) == ("ann", {"service.name": "shop"})
    assert abs(row["duration_ms"] - (span.end_time - span.start_time) / 1e6) <= 1
    assert row["helicone_key_hash"]
    body = server.body(row["request_id"])
    assert json.loads(body["request_body"])["messages"][0]["content"] == "Say hello."
    assert body["response_text"] == "Hello."


@pytest.mark.parametrize(("attributes", "path"), [(OLD, "/v1/trace/log-python"), (INFERENCE, "/v1/traces")])
def test_old_and_other_names_say_the_same(server: Server, attributes: dict[str, Any], path: str) -> None:
    mine, provider = tracer(server, path)
    conversation = session()
    associated = "traceloop.association.properties."
    with mine.start_as_current_span("openai.chat", attributes=attributes) as span:
        span.set_attribute(f"{associated}Helicone-Session-Id", conversation)
        span.set_attribute(f"{associated}Helicone-Property-Feature", "chat")
        span.set_attribute(f"{associated}plan", "gold")
    provider.shutdown()
    (row,) = server.wait_rows(1, "session_id = $id", id=conversation)
    assert (row["provider_name"], row["operation_name"], row["request_model"]) == ("openai", "chat", "gpt-4o-mini")
    assert (row["input_tokens"], row["output_tokens"], row["cost_nanousd"]) == (100, 10, COST)
    assert row["properties"] == {"feature": "chat", "plan": "gold", "service.name": "shop"}
    assert server.body(row["request_id"])["response_text"] == "Hello."


def test_cached_tokens_are_part_of_the_input_and_priced_as_such(server: Server) -> None:
    mine, provider = tracer(server)
    conversation = session()
    used: dict[str, Any] = {
        "gen_ai.provider.name": "anthropic",
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "claude-sonnet-4-5",
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.cache_read.input_tokens": 90,
        "gen_ai.usage.output_tokens": 7,
        "gen_ai.conversation.id": conversation,
    }
    with mine.start_as_current_span("chat", attributes=used):
        pass
    provider.shutdown()
    (row,) = server.wait_rows(1, "session_id = $id", id=conversation)
    assert (row["input_tokens"], row["cache_read_input_tokens"], row["path"]) == (100, 90, "/v1/messages")
    assert row["cost_nanousd"] == 10 * 3000 + 90 * 300 + 7 * 15000


def test_parents_give_the_tree_of_a_session(server: Server) -> None:
    mine, provider = tracer(server, batched=True)
    with mine.start_as_current_span("plan a trip") as root:
        trace = f"{root.get_span_context().trace_id:032x}"
        with (
            mine.start_as_current_span("agent", attributes={**CALL, "gen_ai.operation.name": "invoke_agent"}),
            mine.start_as_current_span("chat", attributes=CALL),
        ):
            pass
        with mine.start_as_current_span("sum up", attributes=CALL):
            pass
    provider.shutdown()
    rows = server.wait_rows(2, "session_id = $id", id=trace)
    assert sorted(row["session_path"] for row in rows) == ["/plan a trip/agent/chat", "/plan a trip/sum up"]
    assert {row["session_name"] for row in rows} == {"plan a trip"}
    assert sum(row["cost_nanousd"] for row in rows) == 2 * COST  # the agent's span repeats what its calls used


def test_a_failed_call_says_why(server: Server) -> None:
    mine, provider = tracer(server)
    conversation = session()
    asked = {name: CALL[name] for name in ("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model")}
    with mine.start_as_current_span("chat", attributes={**asked, "gen_ai.conversation.id": conversation}) as span:
        span.set_attribute("error.type", "RateLimitError")
        span.set_attribute("http.response.status_code", 429)
        span.set_status(Status(StatusCode.ERROR))
    provider.shutdown()
    (row,) = server.wait_rows(1, "session_id = $id", id=conversation)
    assert (row["status"], row["error_type"], row["input_tokens"]) == (429, "RateLimitError", None)


def spans(*made: dict[str, Any]) -> dict[str, Any]:
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {"name": "t"}, "spans": list(made)}]}]}


def span(conversation: str, **more: Any) -> dict[str, Any]:
    now = time.time_ns()
    stated: dict[str, Any] = {
        "gen_ai.system": {"stringValue": "openai"},
        "gen_ai.request.model": {"stringValue": "gpt-4o-mini"},
        "gen_ai.usage.prompt_tokens": {"intValue": "100"},
        "gen_ai.usage.completion_tokens": {"doubleValue": 10.0},
        "gen_ai.conversation.id": {"stringValue": conversation},
        "gen_ai.agent.name": {"stringValue": "planner"},
        "some.flag": {"boolValue": True},
        "some.list": {"arrayValue": {"values": [{"intValue": 1}]}},
    }
    return {
        "traceId": uuid.uuid4().hex,
        "spanId": uuid.uuid4().hex[:16],
        "name": "chat",
        "kind": 3,
        "startTimeUnixNano": str(now - 10**9),
        "endTimeUnixNano": str(now),
        "attributes": [{"key": name, "value": value} for name, value in stated.items()],
        "status": {},
        **more,
    }


@pytest.mark.parametrize("path", ["/v1/traces", "/v1/trace/log"])
def test_json_is_read_as_well(server: Server, path: str) -> None:
    conversation = session()
    body = gzip.compress(json.dumps(spans(span(conversation))).encode())
    headers = {"content-type": "application/json", "content-encoding": "gzip", "helicone-user-id": "bob"}
    answer = requests.post(server.url + path, data=body, headers=headers)
    assert (answer.status_code, answer.json()) == (200, {})
    (row,) = server.wait_rows(1, "session_id = $id", id=conversation)
    assert (row["input_tokens"], row["output_tokens"], row["cost_nanousd"]) == (100, 10, COST)
    assert (row["user_id"], row["duration_ms"], row["agent"]) == ("bob", 1000, "planner")


def test_a_span_that_is_sent_again_is_one_row(server: Server) -> None:
    conversation = session()
    body = spans(span(conversation), span(conversation))
    for _ in range(3):
        assert requests.post(f"{server.url}/v1/traces", json=body).status_code == 200
    server.wait_rows(2, "session_id = $id", id=conversation)
    later = session()
    assert requests.post(f"{server.url}/v1/traces", json=spans(span(later))).status_code == 200
    server.wait_rows(1, "session_id = $id", id=later)  # settled after all that came before it
    assert len(server.rows("session_id = $id", id=conversation)) == 2


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"resourceSpans": []},
        {"resourceSpans": None},  # in the JSON of protobuf, null is a field that is not set
        {"resourceSpans": [{"resource": None, "scopeSpans": None}]},
        {"resourceSpans": [{"scopeSpans": [{"scope": None, "spans": None}]}]},
        spans(span("x", attributes=None, status=None)),
        spans({"name": "no ids"}),
        spans(span("x", attributes=[{"key": "http.method", "value": {"stringValue": "GET"}}])),
        spans(span("x", attributes=[{"key": "gen_ai.system", "value": {}}, {"key": "gen_ai.usage.input_tokens"}])),
        spans(span("x", startTimeUnixNano="0", endTimeUnixNano="18446744073709551615")),
        spans(span("x", somethingNew={"a": 1}, flags=257, traceState="a=b")),
    ],
)
def test_nothing_that_an_exporter_sends_is_an_error(server: Server, body: dict[str, Any]) -> None:
    assert requests.post(f"{server.url}/v1/traces", json=body).status_code == 200


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"nonsense", "application/json"),
        (b"[]", "application/json"),
        (b'{"resourceSpans": 3}', "application/json"),
        (b'{"resourceSpans": [null]}', "application/json"),  # null is a field that is not set, but not an item
        (b'{"resourceSpans": ["text"]}', "application/json"),
        (b'{"resource_spans": [{"resource": "text"}]}', "application/json"),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [[]]}]}]}', "application/json"),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "zz"}]}]}]}', "application/json"),
        (b"\xff\xff\xff", "application/x-protobuf"),
    ],
)
def test_a_body_that_is_not_an_export_is_refused(server: Server, body: bytes, content_type: str) -> None:
    answer = requests.post(f"{server.url}/v1/traces", data=body, headers={"content-type": content_type})
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_an_omitted_answer_is_in_no_file(server: Server) -> None:
    mine, provider = tracer(server, headers={"Helicone-Omit-Response": "true"})
    conversation = session()
    with mine.start_as_current_span("chat", attributes={**CALL, "gen_ai.conversation.id": conversation}):
        pass
    provider.shutdown()
    (row,) = server.wait_rows(1, "session_id = $id", id=conversation)
    assert (row["output_tokens"], row["cost_nanousd"]) == (10, COST)
    body = server.body(row["request_id"])
    assert (body["response_body"], body["response_text"]) == (None, None)
