"""Upstream connections outlive their callers, and no caller sees what was meant for another."""

import http.client
import json
import random
import socket
import socketserver
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest

from tests.proxy.clients import GPT, HELLO, WAYS, openai_client
from tests.proxy.conftest import Proxy, run_up
from tests.sockets import read_until
from tests.waiting import wait_for

PART: Final = b'data: {"id":"a","model":"gpt-4o-mini","choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n'
SMUGGLED: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nSMUGGLED"


class _Connection(socketserver.StreamRequestHandler):
    """Answers each request with what it asked, and the number of the connection."""

    server: "Provider"

    def handle(self) -> None:
        self.number = self.server.opened()
        while line := self.rfile.readline():
            assert line.startswith(b"POST")
            headers = http.client.parse_headers(self.rfile)
            asked = json.loads(self.rfile.read(int(headers["content-length"])))
            if "stream" in asked:
                self._stream()
            elif not self._answer(asked["does"], asked["marker"]):
                return

    def _stream(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for data in (*(PART % word for word in (b"a", b"b")), b"data: [DONE]\n\n", b""):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def _answer(self, does: str, marker: str) -> bool:
        """False: the connection ends."""
        body = json.dumps({"connection": self.number, "marker": marker}).encode()
        closes = b"connection: close\r\n" if does == "says close" else b""
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n"
        if does == "streams":
            self.wfile.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\n")
            return self.rfile.read(1) != b""
        answer = head % (closes, len(body)) + body + (SMUGGLED if does == "says more" else b"")
        if does == "closes":  # in one piece with the answer, or the next call may be on its way before the proxy knows
            self.connection.sendall(answer, getattr(socket, "MSG_MORE", 0))
            self.connection.shutdown(socket.SHUT_WR)
        else:
            self.wfile.write(answer)
        if does == "says more later":
            self.server.later.wait(30)
            self.wfile.write(SMUGGLED)
            self.server.said_later.set()
        return does != "closes"


class Provider(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.connections = 0
        self.later = threading.Event()
        self.said_later = threading.Event()
        self._lock = threading.Lock()

    def opened(self) -> int:
        with self._lock:
            self.connections += 1
            return self.connections

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Callers that leave are part of the tests."""


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def proxy(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    data: Path = tmp_path_factory.mktemp("data")
    with run_up(data, "--upstream", f"openai=http://127.0.0.1:{provider.server_address[1]}") as running:
        yield running


def caller(proxy: Proxy) -> http.client.HTTPConnection:
    address = urlsplit(proxy.url)
    return http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)


def ask(connection: http.client.HTTPConnection, marker: str, does: str = "answers", key: str = "Bearer a") -> Any:
    body = json.dumps({"model": "gpt-4o-mini", "marker": marker, "does": does})
    headers = {"authorization": key, "content-type": "application/json"}
    connection.request("POST", "/openai/v1/chat/completions", body, headers)
    return json.loads(connection.getresponse().read())


def once(proxy: Proxy, marker: str, does: str = "answers", key: str = "Bearer a") -> int:
    """The number of the connection that a caller of its own was answered on."""
    connection = caller(proxy)
    try:
        answer = ask(connection, marker, does, key)
    finally:
        connection.close()
    assert answer["marker"] == marker
    return int(answer["connection"])


def reused(proxy: Proxy, provider: Provider, key: str = "Bearer a") -> bool:
    """A caller got a connection that was open before: it takes a moment until one that a caller left is there."""

    def is_reused() -> bool:
        before = provider.connections
        return once(proxy, "next", key=key) <= before

    return wait_for(is_reused)


def test_callers_after_each_other_share_a_connection_where_they_have_the_same_key(
    proxy: Proxy, provider: Provider
) -> None:
    assert reused(proxy, provider)
    before = provider.connections
    assert once(proxy, "of another", key="Bearer of another") > before
    assert reused(proxy, provider)


@pytest.mark.parametrize("way", WAYS)
def test_an_sdk_that_connects_anew_gets_its_stream_whatever_way_it_comes(
    proxy: Proxy, provider: Provider, way: str
) -> None:
    def is_reused() -> bool:
        before = provider.connections
        with openai_client(proxy, way) as client:
            parts = list(client.chat.completions.create(model=GPT, messages=HELLO, stream=True))
        assert [part.choices[0].delta.content for part in parts] == ["a", "b"]
        return provider.connections == before

    wait_for(is_reused)


def test_callers_at_the_same_time_do_not(proxy: Proxy) -> None:
    one, other = caller(proxy), caller(proxy)
    assert ask(one, "one")["connection"] != ask(other, "other")["connection"]
    one.close()
    other.close()


@pytest.mark.parametrize("does", ["closes", "says close", "says more", "says more later"])
def test_a_connection_that_ended_or_said_more_is_not_used_again(proxy: Proxy, provider: Provider, does: str) -> None:
    reused(proxy, provider)
    odd = once(proxy, "odd", does)
    provider.later.set()  # what comes only after the next request cannot be told from its answer, in any HTTP/1.1 pool
    assert does != "says more later" or provider.said_later.wait(30)
    assert all(once(proxy, f"after {number}") != odd for number in range(5))
    provider.later.clear()


def test_a_connection_that_is_logged_in_is_its_callers_alone(proxy: Proxy, provider: Provider) -> None:
    reused(proxy, provider)
    logged_in = once(proxy, "logged in", key="NTLM abc")
    assert all(once(proxy, f"after {number}") != logged_in for number in range(5))


def test_a_caller_that_leaves_in_the_middle_takes_the_connection_with_it(proxy: Proxy, provider: Provider) -> None:
    reused(proxy, provider)
    address = urlsplit(proxy.url)
    body = b'{"model": "gpt-4o-mini", "marker": "leaves", "does": "streams"}'
    with socket.create_connection((address.hostname, address.port or 0)) as leaving:
        leaving.sendall(b"POST /openai/v1/chat/completions HTTP/1.1\r\nhost: %b\r\n" % address.netloc.encode())
        leaving.sendall(b"content-length: %d\r\n\r\n%b" % (len(body), body))
        read_until(leaving, b"part")
    assert all(once(proxy, f"after {number}") for number in range(5))


def test_no_caller_sees_anothers_bytes(proxy: Proxy, provider: Provider) -> None:
    """Many callers at once, of which some leave early, and a provider that closes and says more at any moment."""
    provider.later.set()
    before = provider.connections

    def call(number: int) -> bool:
        does = random.Random(number).choice(["answers"] * 6 + ["closes", "says close", "says more"])
        if number % 10 == 0:
            leaving = caller(proxy)
            leaving.request("POST", "/openai/v1/chat/completions", json.dumps({"marker": "leaves", "does": does}))
            leaving.close()
            return False
        once(proxy, str(number), does)
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(call, range(200))) == 180
    assert provider.connections - before < 200
