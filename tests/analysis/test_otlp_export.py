"""OpenTelemetry spans: a real receiver at the end of a socket takes them, and reads them with the published messages."""

import asyncio
import gzip
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from addon.commands.export import export
from addon.config.otlp import Otlp, traces_url
from addon.intake.spans import Memory, attributes_of, read_traces
from addon.storage.record import BodyRow, RequestRow
from analysis.api.otlp import decode
from analysis.exports.otlp.live import OtlpSender
from analysis.exports.otlp.sending import MOST_POSTED_BYTES, Outcome, outcome_of
from analysis.posting import Answer
from tests.analysis.conversing import answer, call, chat
from tests.analysis.writing import settle_bodies
from tests.config.sections import section

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Collector:
    """Takes spans, and answers with the statuses of `script`, then 200."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, dict[str, str], bytes]] = []
        self.script: list[int] = []
        self.rejects = 0
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = collector.script.pop(0) if collector.script else 200
                if status == 200:
                    headers = {name.lower(): value for name, value in self.headers.items()}
                    collector.posts.append((self.path, headers, gzip.decompress(body)))
                partial = ExportTracePartialSuccess(rejected_spans=collector.rejects, error_message="too old")
                told = ExportTraceServiceResponse(partial_success=partial).SerializeToString()
                self.send_response(status)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(told)))
                self.end_headers()
                self.wfile.write(told)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def spans(self) -> list[Span]:
        return [
            span
            for _, _, body in self.posts
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def named(self) -> dict[str, tuple[Span, dict[str, Any]]]:
        return {span.name: (span, attributes_of(span.attributes)) for span in self.spans}

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.stop()


def otlp(data: Path, *options: str) -> Result:
    return CliRunner().invoke(export, ["otlp", "--data", str(data), "--since", "1970-01-01", *options])


def a_call(number: int, **more: Any) -> tuple[RequestRow, BodyRow]:
    return call(number, chat(("user", "Hi")), answer("Hello"), **more)


def test_a_call_has_the_names_of_the_conventions(tmp_path: Path, collector: Collector) -> None:
    known = {
        "request_model": "gpt-4o",
        "response_model": "gpt-4o-2024-08-06",
        "response_id": "chatcmpl-1",
        "finish_reasons": ("stop",),
        "is_stream": True,
        "time_to_first_token_ms": 250,
        "input_tokens": 120,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 7,
        "output_tokens": 0,
        "cost_nanousd": 1_250_000,
        "user_id": "ann",
        "properties": {"feature": "chat"},
    }
    settle_bodies(tmp_path, [a_call(1, **known), a_call(2, status=429, error_type="rate_limit_error")], 1)
    result = otlp(tmp_path, "--endpoint", collector.url, "--header", "X-Team=blue")
    assert result.exit_code == 0, result.output
    assert f"{collector.url}/v1/traces: 2 calls" in result.stderr
    ((path, headers, _),) = collector.posts
    assert (path, headers["content-type"], headers["x-team"]) == ("/v1/traces", "application/x-protobuf", "blue")
    span, attributes = collector.named()["chat gpt-4o"]
    assert attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.request.stream": True,
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.response.time_to_first_chunk": 0.25,
        "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.output_tokens": 0,  # stated; what is not known is left out
        "gen_ai.usage.cache_read.input_tokens": 100,
        "gen_ai.usage.cache_write.input_tokens": 7,
        "gen_ai.usage.cache_creation.input_tokens": 7,
        "user.id": "ann",
        "server.address": "api.openai.com",
        "http.response.status_code": 200,
        "heliograph.request_id": "0199f000-0000-7000-8000-000000000001",
        "heliograph.cost_usd": 0.00125,
        "heliograph.attempts": 1,
        "heliograph.property.feature": "chat",
    }
    assert span.kind == Span.SPAN_KIND_CLIENT
    assert span.end_time_unix_nano - span.start_time_unix_nano == 1_500_000_000
    assert span.status.code == Status.STATUS_CODE_UNSET
    failed, attributes = collector.named()["chat a-model"]
    assert (attributes["error.type"], attributes["http.response.status_code"]) == ("rate_limit_error", 429)
    assert failed.status.code == Status.STATUS_CODE_ERROR
    assert failed.trace_id != span.trace_id
    assert b"Hello" not in collector.posts[0][2]  # nobody asked for what was said


def test_a_session_is_a_tree(tmp_path: Path, collector: Collector) -> None:
    paths = ("/plan", "/plan/search", "/plan/search", "/answer", None)
    calls = [
        a_call(number, session_id="s1", session_path=path, session_name="Trip", request_model=f"m{number}")
        for number, path in enumerate(paths)
    ]
    settle_bodies(tmp_path, calls, 1)
    assert otlp(tmp_path, "--endpoint", collector.url).exit_code == 0
    found = collector.named()
    assert sorted(found) == ["Trip", "answer", "chat m0", "chat m1", "chat m2", "chat m3", "chat m4", "plan", "search"]
    parents = {
        name: next((other for other, (parent, _) in found.items() if parent.span_id == span.parent_span_id), None)
        for name, (span, _) in found.items()
    }
    assert parents == {
        "Trip": None,
        "plan": "Trip",
        "search": "plan",
        "answer": "Trip",
        "chat m0": "plan",
        "chat m1": "search",
        "chat m2": "search",
        "chat m3": "answer",
        "chat m4": "Trip",
    }
    assert len({span.trace_id for span, _ in found.values()}) == 1
    trip, plan = found["Trip"][0], found["plan"][0]
    assert trip.start_time_unix_nano == found["chat m0"][0].start_time_unix_nano
    assert trip.end_time_unix_nano == found["chat m4"][0].end_time_unix_nano
    assert plan.end_time_unix_nano == found["chat m2"][0].end_time_unix_nano


@pytest.mark.parametrize("given", [TRACEPARENT, "00-" + "0" * 32 + "-b7ad6b7169203331-01", "nonsense"])
def test_the_trace_of_the_program_wins(tmp_path: Path, collector: Collector, given: str) -> None:
    row, body = a_call(1, session_id="s1")
    body = BodyRow(
        request_id=row.request_id,
        started_at=row.started_at,
        request_body=body.request_body,
        request_headers={"traceparent": given},
    )
    settle_bodies(tmp_path, [(row, body)], 1)
    assert otlp(tmp_path, "--endpoint", collector.url).exit_code == 0
    span = collector.named()["chat a-model"][0]
    is_read = (
        span.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c" and span.parent_span_id.hex() == "b7ad6b7169203331"
    )
    assert is_read is (given == TRACEPARENT)
    assert len(collector.spans) == (1 if is_read else 2)  # with its session


def test_what_is_sent_twice_is_the_same_span(tmp_path: Path, collector: Collector) -> None:
    settle_bodies(tmp_path, [a_call(number, session_id="s1") for number in range(3)], 1)
    for _ in range(2):
        assert otlp(tmp_path, "--endpoint", collector.url).exit_code == 0
    first, second = (body for _, _, body in collector.posts)
    assert first == second


def test_messages_go_along_only_when_asked(tmp_path: Path, collector: Collector) -> None:
    settle_bodies(tmp_path, [a_call(1)], 1)
    assert otlp(tmp_path, "--endpoint", collector.url, "--bodies").exit_code == 0
    attributes = collector.named()["chat a-model"][1]
    assert json.loads(attributes["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": "Hi"}]}
    ]
    (said,) = json.loads(attributes["gen_ai.output.messages"])
    assert (said["parts"], said["finish_reason"]) == ([{"type": "text", "content": "Hello"}], "stop")


def test_our_own_intake_reads_them(tmp_path: Path, collector: Collector) -> None:
    more = {"input_tokens": 120, "cache_creation_input_tokens": 7, "output_tokens": 5, "session_id": "s1"}
    settle_bodies(tmp_path, [a_call(1, response_model="gpt-4o-2024-08-06", **more)], 1)
    assert otlp(tmp_path, "--endpoint", collector.url, "--bodies").exit_code == 0
    traces = decode(collector.posts[0][2])
    (logged,) = read_traces(traces, [], memory=Memory(), secret=b"s", now_us=0)
    assert (logged.start.provider_name, logged.start.session_id) == ("openai", "s1")
    reading = logged.end.reading or {}
    assert reading["response_model"] == "gpt-4o-2024-08-06"
    usage = reading["usage"]
    assert (usage["input_tokens"], usage["cache_creation_input_tokens"], usage["output_tokens"]) == (120, 7, 5)
    assert b"Hello" in logged.response


def test_rows_of_our_own_spans_are_not_sent_again(tmp_path: Path, collector: Collector) -> None:
    """Else two proxies that send to each other, or one to itself, would never end."""
    came = a_call(1, mode="async", properties={"service.name": "heliograph"})
    settle_bodies(tmp_path, [came, a_call(2, mode="async", properties={"service.name": "shop"})], 1)
    assert otlp(tmp_path, "--endpoint", collector.url).exit_code == 0
    assert len(collector.spans) == 1


def test_spans_that_are_too_many_for_one_request_are_sent_in_several(tmp_path: Path, collector: Collector) -> None:
    words = "x" * (MOST_POSTED_BYTES // 3)
    settle_bodies(tmp_path, [call(number, chat(("user", words)), answer("Hello")) for number in range(5)], 1)
    assert otlp(tmp_path, "--endpoint", collector.url, "--bodies").exit_code == 0
    assert (len(collector.posts), len(collector.spans)) == (3, 5)


def test_spans_that_are_refused_are_a_failure(tmp_path: Path, collector: Collector) -> None:
    settle_bodies(tmp_path, [a_call(1)], 1)
    collector.script = [401]
    result = otlp(tmp_path, "--endpoint", collector.url)
    assert (result.exit_code, "did not take the spans of 1 of 1 calls: HTTP 401" in result.stderr) == (1, True)
    collector.rejects = 1
    result = otlp(tmp_path, "--endpoint", collector.url)
    assert (result.exit_code, "1 spans were rejected: 'too old'" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "name an endpoint: --endpoint http://127.0.0.1:4318, or [otlp] in heliograph.toml"),
        (("--endpoint", "127.0.0.1:4318"), "'127.0.0.1:4318' is not an http(s) URL"),
        (("--endpoint", "http://127.0.0.1:4318", "--header", "nothing"), "--header nothing: write NAME=VALUE"),
        (("--endpoint", "http://127.0.0.1:4318", "--header", "A=$NO_SUCH_TOKEN"), "$NO_SUCH_TOKEN is not set"),
    ],
)
def test_wrong_inputs_are_wrong_usage(tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    result = otlp(tmp_path, *options)
    assert (result.exit_code, says in result.stderr) == (2, True), result.stderr


@pytest.mark.parametrize(
    ("status", "headers", "outcome"),
    [
        (200, {}, Outcome()),
        (400, {}, Outcome("HTTP 400")),
        (307, {}, Outcome("HTTP 307")),
        (503, {}, Outcome("HTTP 503", try_again=True)),
        (429, {"Retry-After": "7"}, Outcome("HTTP 429", try_again=True, wait_s=7.0)),
        (429, {"Retry-After": "99999"}, Outcome("HTTP 429", try_again=True, wait_s=300.0)),
    ],
)
def test_only_what_may_pass_is_tried_again(status: int, headers: dict[str, str], outcome: Outcome) -> None:
    assert outcome_of(Answer(status, headers, b"")) == outcome


@pytest.mark.parametrize("is_set", [True, False])
def test_calls_from_before_redact_was_set_are_redacted(tmp_path: Path, collector: Collector, is_set: bool) -> None:
    if is_set:
        (tmp_path / "heliograph.toml").write_text("[redact]\nusers = true\n")
    request = chat(("user", "I am ann@example.org"))
    more: dict[str, Any] = {"user_id": "ann", "properties": {"mail": "ann@example.org", "feature": "chat"}}
    settle_bodies(tmp_path, [call(1, request, answer("Hello"), **more)], 1)
    assert otlp(tmp_path, "--endpoint", collector.url, "--bodies").exit_code == 0
    attributes = collector.named()["chat a-model"][1]
    told = str(attributes)
    assert ("ann@example.org" in told, "<mail:" in told, attributes["user.id"] == "ann") == (
        not is_set,
        is_set,
        not is_set,
    )
    assert attributes["heliograph.property.feature"] == "chat"
    assert json.loads(attributes["gen_ai.input.messages"])[0]["role"] == "user"


# Live


def ended(number: int, at: float) -> tuple[RequestRow, BodyRow]:
    started = datetime.fromtimestamp(at, UTC) - timedelta(seconds=2)
    return a_call(number, started_at=started, request_model=f"m{number}")


def sender(data: Path, url: str) -> OtlpSender:
    return OtlpSender(data, Otlp(endpoint=url), clock=lambda: NOW)


def step(live: OtlpSender, now: float) -> None:
    asyncio.run(live.step(now))


def test_each_finished_call_is_sent_once(tmp_path: Path, collector: Collector) -> None:
    settle_bodies(tmp_path, [ended(0, NOW - 60)], 1)  # from before the first start
    live = sender(tmp_path, collector.url)
    step(live, NOW)
    settle_bodies(tmp_path, [ended(number, NOW + 5) for number in (1, 2, 3)], 2)
    step(live, NOW + 6)
    step(live, NOW + 7)
    assert sorted(collector.named()) == ["chat m1", "chat m2", "chat m3"]
    assert (len(collector.posts), len(collector.spans)) == (1, 3)


def test_an_endpoint_that_is_away_gets_the_calls_later_even_after_a_restart(
    tmp_path: Path, collector: Collector, capsys: pytest.CaptureFixture[str]
) -> None:
    live = sender(tmp_path, collector.url)
    step(live, NOW)
    settle_bodies(tmp_path, [ended(1, NOW + 5)], 1)
    collector.script = [503, 503]
    step(live, NOW + 6)
    step(live, NOW + 6.5)  # within the pause nothing is sent
    assert collector.script == [503]
    step(live, NOW + 8)
    step(live, NOW + 9)  # the pause has doubled
    assert (collector.script, collector.posts) == ([], [])
    assert capsys.readouterr().err.count("takes no spans: HTTP 503; trying again") == 1
    step(sender(tmp_path, collector.url), NOW + 11)
    assert sorted(collector.named()) == ["chat m1"]


def test_what_an_endpoint_refuses_is_not_tried_again(
    tmp_path: Path, collector: Collector, capsys: pytest.CaptureFixture[str]
) -> None:
    live = sender(tmp_path, collector.url)
    step(live, NOW)
    settle_bodies(tmp_path, [ended(1, NOW + 5)], 1)
    collector.script = [400]
    step(live, NOW + 6)
    step(live, NOW + 600)
    assert collector.posts == []
    assert "did not take the spans of 1 calls: HTTP 400; not tried again" in capsys.readouterr().err


def test_only_so_many_calls_wait(tmp_path: Path) -> None:
    live = sender(tmp_path, "http://127.0.0.1:9")
    live._queue.take_in([("http://127.0.0.1:9/v1/traces", f"id-{number}", number) for number in range(10)], NOW)
    assert live._queue.give_up_beyond(4) == 6
    assert [delivery.started_at_us for delivery in live._queue.claim(NOW, 20)] == [6, 7, 8, 9]
    assert live._queue.give_up_beyond(4) == 0


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        ("https://otel.example.org/", "https://otel.example.org/v1/traces"),
        ("https://otel.example.org/v1/traces", "https://otel.example.org/v1/traces"),
        ("https://otel.example.org/api/otel/v1/traces", "https://otel.example.org/api/otel/v1/traces"),
    ],
)
def test_the_usual_path_is_added_where_there_is_none(endpoint: str, url: str) -> None:
    assert traces_url(endpoint) == url


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"endpoint": "localhost:4318"}, "is not an http(s) URL"),
        ({}, "endpoint: missing"),
        ({"endpoint": "http://x", "headers": {"Authorization": "Bearer $"}}, "a lone $"),
        ({"endpoint": "http://x", "body": True}, "no such key"),
    ],
)
def test_settings_that_cannot_be_read_are_named(table: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError) as error:
        section("otlp", table)
    assert says in str(error.value), error.value
    assert "Bearer" not in str(error.value)
