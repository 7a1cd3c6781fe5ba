"""HTTP that is rare and right, or wrong: what the caller sees, and what the row says."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPResponse
from typing import Final

import pytest

from addon.demo.providers import FakeProviders
from tests.proxy.clients import CHAT, plain
from tests.proxy.conftest import Proxy, run_up

CHAT_PATH = "/openai/v1/chat/completions"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


ANSWERS: Final = {
    "trailers": CHUNKED + b"2\r\n{}\r\n0\r\nx-checksum: 1\r\n\r\n",
    "interim": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
    + CHUNKED
    + b"2\r\n{}\r\n0\r\n\r\n",
    "broken": b"HTTP/1.1 200 OK\r\nbad name: x\r\ncontent-length: 2\r\n\r\n{}",
}


@contextmanager
def provider_of(answer: bytes) -> Iterator[str]:
    """The URL of a provider that answers every connection with these bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                with peer, suppress(OSError):  # a proxy that has had enough may reset the connection
                    received = b""
                    while not received.endswith(b"}") and (more := peer.recv(65536)):
                        received += more
                    peer.sendall(answer)
                    peer.recv(1)  # until the proxy has had enough

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def before_odd_ones(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A proxy with a provider for each of the odd answers."""
    with ExitStack() as stack:
        urls = {name: stack.enter_context(provider_of(answer)) for name, answer in ANSWERS.items()}
        upstreams = [f"--upstream={name}={url}" for name, url in urls.items()]
        yield stack.enter_context(run_up(tmp_path_factory.mktemp("data"), *upstreams))


@pytest.mark.parametrize("name", ["trailers", "interim"])
def test_an_answer_with_rare_framing_is_answered_whole(before_odd_ones: Proxy, name: str) -> None:
    got = plain(before_odd_ones).post(f"/{name}/v1/chat/completions", json=CHAT)
    assert (got.status_code, got.content) == (200, b"{}")
    row = before_odd_ones.row(got.headers["helicone-id"])
    assert (row["status"], row["error_type"]) == (200, None)


def test_an_answer_that_is_not_http_is_the_providers_fault_in_the_row(before_odd_ones: Proxy) -> None:
    request_id = "01a1fc4a-9fe6-7f76-966e-0ee58dcd5c33"
    headers = {"helicone-request-id": request_id}
    answer = plain(before_odd_ones).post("/broken/v1/chat/completions", json=CHAT, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (502, "application/json")
    row = before_odd_ones.row(request_id)
    assert (row["status"], row["error_type"]) == (-100, "upstream_disconnected")


def test_a_request_with_trailers_is_sent_without_them(proxy: Proxy, provider: FakeProviders) -> None:
    body = b'{"model": "gpt-4o-mini", "messages": []}'
    host, port = proxy.url.removeprefix("http://").split(":")
    head = f"POST {CHAT_PATH} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n".encode()
    with socket.create_connection((host, int(port)), timeout=30) as client:
        client.sendall(head + body + b"\r\n0\r\nx-checksum: 1\r\n\r\n")
        answer = HTTPResponse(client)
        answer.begin()
        assert (answer.status, bool(answer.read())) == (200, True)
    assert provider.requests[-1].body == body
