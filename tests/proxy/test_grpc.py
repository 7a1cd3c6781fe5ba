"""gRPC through the proxy: messages, streams and trailers pass as they are, and each call has one row."""

import base64
import ssl
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded, StreamReset, TrailersReceived

from tests.providers.cases.reading import FOLDER
from tests.proxy.conftest import Proxy, run_mitmdump
from tests.proxy.http2_provider import Http2Provider
from tests.proxy.tunnel import http2_tunnel

HOST = "api.x.ai"
GRPC = ("content-type", "application/grpc")


def recorded(case: str) -> tuple[bytes, bytes]:
    """What xai-sdk sends and gets."""
    told = tomllib.loads((FOLDER / "xai" / case).read_text())
    return base64.b64decode(told["request"]["base64"]), base64.b64decode(told["answer"]["base64"])


REQUEST, ANSWER = recorded("grpc_chat.toml")
STREAMED = recorded("grpc_stream.toml")[1]


class GrpcServer(Http2Provider):
    """Answers by the method's name; `te` of the last request tells whether it was asked for trailers."""

    te: str | None = None
    body: bytes = b""

    def _answer(self, connection: H2Connection, stream: int, head: list[tuple[str, str]], body: bytes) -> None:
        named = dict(head)
        self.te, self.body = named.get("te"), body
        status = ("grpc-status", "0")
        if "x-refuse" in named:
            refused = [(":status", "200"), GRPC, ("grpc-status", "8"), ("grpc-message", "slow down")]
            connection.send_headers(stream, refused, end_stream=True)
            return
        connection.send_headers(stream, [(":status", "200"), GRPC])
        if "x-fail" in named:
            status = ("grpc-status", "13")
        else:
            connection.send_data(stream, STREAMED if named[":path"].endswith("Chunk") else ANSWER)
        connection.send_headers(stream, [status, ("x-last", "1")], end_stream=True)


@dataclass
class Answer:
    head: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    trailers: dict[str, str] = field(default_factory=dict)


def ask(proxy: Proxy, method: str, **more: str) -> Answer:
    """One call over a connection of its own, as grpcio makes it."""
    with http2_tunnel(proxy, HOST) as tls:
        connection = H2Connection(H2Configuration(header_encoding="utf-8"))
        connection.initiate_connection()
        head = {":method": "POST", ":scheme": "https", ":path": f"/xai_api.Chat/{method}", ":authority": HOST}
        head |= {"te": "trailers", "content-type": "application/grpc", "authorization": "Bearer xai-test"}
        head |= {name.replace("_", "-"): value for name, value in more.items()}
        connection.send_headers(1, list(head.items()))
        connection.send_data(1, REQUEST, end_stream=True)
        tls.sendall(connection.data_to_send())
        return _read(tls, connection)


def named(headers: Any) -> dict[str, str]:
    return {str(name): str(value) for name, value in headers or ()}


def _read(tls: ssl.SSLSocket, connection: H2Connection) -> Answer:
    answer = Answer()
    while data := tls.recv(65536):
        for event in connection.receive_data(data):
            match event:
                case ResponseReceived():
                    answer.head = named(event.headers)
                case DataReceived():
                    answer.body += event.data or b""
                    connection.acknowledge_received_data(event.flow_controlled_length or 0, 1)
                case TrailersReceived():
                    answer.trailers = named(event.headers)
                case StreamReset():
                    raise AssertionError(event)
                case StreamEnded():
                    return answer
        tls.sendall(connection.data_to_send())
    raise AssertionError("the connection ended before the answer")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GrpcServer, Proxy]]:
    """One proxy for all calls; plain mitmdump can be told to trust the certificates of a test."""
    folder: Path = tmp_path_factory.mktemp("grpc")
    with GrpcServer(folder / "a") as provider:
        upstream = f"--set=heliograph_upstreams=xai={provider.url}"
        with run_mitmdump(folder / "data", "--set=ssl_insecure=true", upstream) as proxy:
            yield provider, proxy
            assert not [line for line in proxy.said if "Traceback" in line], proxy.said


def row_of(proxy: Proxy, answer: Answer) -> dict[str, Any]:
    return dict(proxy.row(answer.head["helicone-id"]))


@pytest.mark.parametrize(
    ("method", "body"), [("GetCompletion", ANSWER), ("GetCompletionChunk", STREAMED)], ids=["one", "stream"]
)
def test_a_call_passes_unchanged_with_its_trailers_and_has_a_row(
    running: tuple[GrpcServer, Proxy], method: str, body: bytes
) -> None:
    provider, proxy = running
    answer = ask(proxy, method)
    assert (answer.head[":status"], answer.body) == ("200", body)
    assert answer.trailers == {"grpc-status": "0", "x-last": "1"}
    assert (provider.te, provider.body) == ("trailers", REQUEST)
    row = row_of(proxy, answer)
    assert (row["operation_name"], row["request_model"], row["response_model"]) == (
        "chat",
        "grok-4-fast",
        "grok-4-fast",
    )
    assert (row["input_tokens"], row["output_tokens"], row["cost_nanousd"]) == (40, 42, 123_450)
    assert (row["status"], row["error_type"], row["user_id"]) == (200, None, "u1")
    assert row["is_stream"] is (method == "GetCompletionChunk")


@pytest.mark.parametrize(("header", "error_type"), [("x_fail", "INTERNAL"), ("x_refuse", "RESOURCE_EXHAUSTED")])
def test_a_failure_is_named_by_its_status(running: tuple[GrpcServer, Proxy], header: str, error_type: str) -> None:
    _, proxy = running
    answer = ask(proxy, "GetCompletion", **{header: "1"})
    assert {"13", "8"} & {answer.trailers.get("grpc-status"), answer.head.get("grpc-status")}
    row = row_of(proxy, answer)
    assert (row["status"], row["error_type"], row["cost_nanousd"]) == (200, error_type, 0)


def test_a_call_is_not_cached_and_says_so(running: tuple[GrpcServer, Proxy]) -> None:
    _, proxy = running
    for _ in range(2):
        answer = ask(proxy, "GetCompletion", helicone_cache_enabled="true")
        assert answer.trailers["grpc-status"] == "0"
        assert "gRPC" in answer.head["helicone-warning"]
        assert row_of(proxy, answer)["cache_status"] is None


def test_a_path_that_is_not_an_operation_passes_without_a_row(running: tuple[GrpcServer, Proxy]) -> None:
    _, proxy = running
    answer = ask(proxy, "DeleteStoredCompletion")
    assert (answer.body, answer.trailers["grpc-status"]) == (ANSWER, "0")
    assert "helicone-id" not in answer.head
