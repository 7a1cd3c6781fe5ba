"""Calls whose request goes on while the answer comes (Nova Sonic on Bedrock, over HTTP/2): nothing is held back, and each has
one row."""

import base64
import json
import ssl
from collections.abc import Iterator
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived, ResponseReceived, StreamEnded, StreamReset

from addon.providers.framing import aws_event_stream
from tests.proxy.conftest import Proxy, run_mitmdump
from tests.proxy.http2_provider import Http2Provider
from tests.proxy.tunnel import http2_tunnel

HOST = "bedrock-runtime.us-east-1.amazonaws.com"
PATH = "/model/amazon.nova-sonic-v1%3A0/invoke-with-bidirectional-stream"
EVENTS = "application/vnd.amazon.eventstream"


def frame(event: dict[str, Any]) -> bytes:
    payload = {"bytes": base64.b64encode(json.dumps({"event": event}).encode()).decode()}
    return aws_event_stream.encode({":message-type": "event", ":event-type": "chunk"}, json.dumps(payload).encode())


class Sonic(Http2Provider):
    """Answers each frame as it comes, with the events of a list; its head goes out before the request has a body."""

    answers: tuple[bytes, ...] = ()

    def _speak(self, peer: ssl.SSLSocket) -> None:
        connection = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        connection.initiate_connection()
        peer.sendall(connection.data_to_send())
        left = list(self.answers)
        while data := peer.recv(65536):
            for event in connection.receive_data(data):
                if isinstance(event, RequestReceived):
                    connection.send_headers(event.stream_id, [(":status", "200"), ("content-type", EVENTS)])
                elif isinstance(event, DataReceived):
                    connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    if event.data:
                        connection.send_data(event.stream_id, left.pop(0))
                elif isinstance(event, StreamEnded):
                    connection.end_stream(event.stream_id)
            peer.sendall(connection.data_to_send())


class Caller:
    """One stream of an HTTP/2 connection through the proxy, piece by piece."""

    def __init__(self, proxy: Proxy, headers: dict[str, str]) -> None:
        self.tls = http2_tunnel(proxy, HOST)
        self.h2 = H2Connection(H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        head = {":method": "POST", ":path": PATH, ":scheme": "https", ":authority": HOST, "content-type": EVENTS}
        self.stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(self.stream, list((head | headers).items()))
        self.flush()

    def flush(self) -> None:
        self.tls.sendall(self.h2.data_to_send())

    def send(self, data: bytes) -> None:
        self.h2.send_data(self.stream, data)
        self.flush()

    def end(self) -> None:
        self.h2.end_stream(self.stream)
        self.flush()

    def wait_for(self, kind: type[Event]) -> Any:
        while data := self.tls.recv(65536):
            found = None
            for event in self.h2.receive_data(data):
                assert not isinstance(event, StreamReset), event
                if isinstance(event, DataReceived):
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                found = event if isinstance(event, kind) else found
            self.flush()
            if found:
                return found
        raise AssertionError(f"the connection ended before {kind.__name__}")


USED = {
    "completionId": "c1",
    "details": {
        "delta": {"input": {"speechTokens": 40, "textTokens": 0}, "output": {"speechTokens": 90, "textTokens": 10}},
        "total": {"input": {"speechTokens": 100, "textTokens": 50}, "output": {"speechTokens": 200, "textTokens": 30}},
    },
    "totalInputTokens": 150,
    "totalOutputTokens": 230,
    "totalTokens": 380,
}
ANSWERS = (
    frame({"completionStart": {"sessionId": "s1", "promptName": "p1", "completionId": "c1"}}),
    frame({"textOutput": {"contentId": "x", "content": "Hello!", "role": "ASSISTANT"}}),
    frame({"audioOutput": {"contentId": "y", "content": "AAAA"}}),
    frame({"usageEvent": USED}),
    frame({"completionEnd": {"completionId": "c1", "stopReason": "END_TURN"}}),
)
# https://aws.amazon.com/bedrock/pricing, as genai-prices has it, USD per million: text 0.06 and 0.24, speech 3.40 and 13.60
COST_NANOUSD = 50 * 60 + 30 * 240 + 100 * 3_400 + 200 * 13_600


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sonic, Proxy]]:
    """One proxy for all sessions; plain mitmdump can be told to trust the certificates of a test."""
    folder = tmp_path_factory.mktemp("sonic")
    with Sonic(folder / "a") as provider:
        upstream = f"--set=heliograph_upstreams=bedrock={provider.url}"
        with run_mitmdump(folder / "data", "--set=ssl_insecure=true", upstream) as proxy:
            yield provider, proxy
            assert not [line for line in proxy.said if "Traceback" in line], proxy.said


def call(running: tuple[Sonic, Proxy], *answers: bytes, limit: str = "") -> tuple[Proxy, Caller]:
    provider, proxy = running
    provider.answers = answers
    limited = {"helicone-ratelimit-policy": limit} if limit else {}
    return proxy, Caller(proxy, {"authorization": "Bearer x"} | limited)


def head_of(caller: Caller) -> dict[str, str]:
    return dict(caller.wait_for(ResponseReceived).headers)


def test_each_piece_is_answered_before_the_next_one_is_sent_and_the_session_has_a_row(
    running: tuple[Sonic, Proxy],
) -> None:
    proxy, caller = call(running, *ANSWERS)
    head = head_of(caller)
    assert head[":status"] == "200"
    sent = frame({"audioInput": {"content": "AAAA"}})
    for answer in ANSWERS:
        caller.send(sent)
        assert caller.wait_for(DataReceived).data == answer
    caller.end()
    caller.wait_for(StreamEnded)
    row = proxy.row(head["helicone-id"])
    assert (row["operation_name"], row["request_model"], row["status"]) == ("realtime", "amazon.nova-sonic-v1:0", 200)
    assert (row["error_type"], row["is_stream"], row["finish_reasons"]) == (None, True, ["END_TURN"])
    assert (row["input_tokens"], row["output_tokens"], row["usage_source"]) == (150, 230, "provider")
    assert row["cost_nanousd"] == COST_NANOUSD
    assert (row["request_bytes"], row["response_bytes"]) == (5 * len(sent), sum(map(len, ANSWERS)))


def test_a_caller_that_leaves_in_the_middle_is_charged_what_was_stated_so_far(running: tuple[Sonic, Proxy]) -> None:
    proxy, caller = call(running, *ANSWERS[2:4])  # sound, and what was used
    head = head_of(caller)
    for _ in range(2):
        caller.send(frame({"audioInput": {}}))
        caller.wait_for(DataReceived)
    caller.h2.reset_stream(caller.stream)
    caller.flush()
    row = proxy.row(head["helicone-id"])
    assert (row["status"], row["error_type"]) == (-3, "client_disconnected")
    assert (row["usage_source"], row["cost_nanousd"]) == ("estimated", COST_NANOUSD)


def test_a_session_over_a_limit_is_refused_before_it_reaches_the_provider(running: tuple[Sonic, Proxy]) -> None:
    _, first = call(running, limit="1;w=3600")
    assert head_of(first)[":status"] == "200"
    proxy, second = call(running, limit="1;w=3600")
    head = head_of(second)
    assert (head[":status"], "retry-after" in head) == ("429", True)
    row = proxy.row(head["helicone-id"])
    assert (row["status"], row["error_type"], row["attempts"], row["cost_nanousd"]) == (429, "rate_limited", 0, 0)
