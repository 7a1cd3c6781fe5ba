"""HTTP that is rare and right, or wrong: what the caller sees, and what the row says."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPResponse
from pathlib import Path

import pytest

from addon.demo.providers import FakeProviders
from tests.proxy.clients import CHAT, plain
from tests.proxy.conftest import Proxy, run_up

CHAT_PATH = "/openai/v1/chat/completions"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@contextmanager
def proxy_before(folder: Path, answer: bytes) -> Iterator[Proxy]:
    """A proxy whose provider answers every connection with these bytes."""
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
        with run_up(folder, f"--upstream=openai=http://127.0.0.1:{listener.getsockname()[1]}") as proxy:
            yield proxy
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    "answer",
    [
        CHUNKED + b"2\r\n{}\r\n0\r\nx-checksum: 1\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
        + CHUNKED
        + b"2\r\n{}\r\n0\r\n\r\n",
    ],
    ids=["trailers", "interim answers"],
)
def test_an_answer_with_rare_framing_is_answered_whole(tmp_path: Path, answer: bytes) -> None:
    with proxy_before(tmp_path, answer) as proxy:
        got = plain(proxy).post(CHAT_PATH, json=CHAT)
        assert (got.status_code, got.content) == (200, b"{}")
        row = proxy.row(got.headers["helicone-id"])
        assert (row["status"], row["error_type"]) == (200, None)


def test_an_answer_that_is_not_http_is_the_providers_fault_in_the_row(tmp_path: Path) -> None:
    with proxy_before(tmp_path, b"HTTP/1.1 200 OK\r\nbad name: x\r\ncontent-length: 2\r\n\r\n{}") as proxy:
        request_id = "01a1fc4a-9fe6-7f76-966e-0ee58dcd5c33"
        answer = plain(proxy).post(CHAT_PATH, json=CHAT, headers={"helicone-request-id": request_id})
        assert (answer.status_code, answer.headers["content-type"]) == (502, "application/json")
        row = proxy.row(request_id)
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
