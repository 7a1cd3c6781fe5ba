"""Heads and bodies that are too large, too slow or odd: answered at once, in JSON, and held nowhere."""

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import h2.connection
import h2.events
import pytest

from addon.calls.connection import OpenConnections
from addon.demo.providers import FakeProviders
from addon.sending.timeouts import HEAD_S
from tests.proxy.clients import CHAT, plain
from tests.proxy.conftest import Proxy, run_up, to, wait_for
from tests.proxy.test_keys import made_key
from tests.proxy.tunnel import http2_tunnel
from tests.sockets import head_of

CHAT_PATH = "/openai/v1/chat/completions"


def connect(proxy: Proxy) -> socket.socket:
    host, port = proxy.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def answer_of(client: socket.socket) -> tuple[int, dict[str, object]]:
    received = b""
    while (head := received.partition(b"\r\n\r\n"))[1] == b"" or len(head[2]) < _length(head[0]):
        if not (more := client.recv(65536)):
            break
        received += more
    head = received.partition(b"\r\n\r\n")
    return int(head[0].split(b" ")[1]), json.loads(head[2][: _length(head[0])])


def _length(head: bytes) -> int:
    (line,) = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return int(line.partition(b":")[2])


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nx: " + b"a" * 200_000,
        b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nx: " + b"a" * 80_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 200_000,
        b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n" + b"".join(b"x-%d: 1\r\n" % i for i in range(300)) + b"\r\n",
    ],
    ids=["no end", "one line", "request line", "many"],
)
def test_a_head_that_is_too_large_is_431(proxy: Proxy, head: bytes) -> None:
    with connect(proxy) as client:
        client.sendall(head)
        status, body = answer_of(client)
    assert status == 431
    assert body["error"]


def test_a_refused_request_is_answered_before_its_body(shared_provider: FakeProviders, tmp_path: Path) -> None:
    made_key(tmp_path, "ci")
    with run_up(tmp_path, *to(shared_provider)) as proxy:
        for framing in (b"content-length: 900000000", b"transfer-encoding: chunked"):
            with connect(proxy) as client:
                client.sendall(
                    b"POST " + CHAT_PATH.encode() + b" HTTP/1.1\r\nhost: 127.0.0.1\r\n" + framing + b"\r\n\r\n"
                )
                status, _ = answer_of(client)
                assert status == 401


def test_a_call_that_is_too_large_to_be_held_is_413_and_a_row(proxy: Proxy) -> None:
    request_id = "01a1fc4a-9fe6-7f76-966e-0ee58dcd5c44"
    head = (
        f"POST {CHAT_PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\nhelicone-request-id: {request_id}\r\n"
        "content-length: 900000000\r\n\r\n"
    )
    with connect(proxy) as client:
        client.sendall(head.encode())
        status, _ = answer_of(client)
    assert status == 413
    row = proxy.row(request_id)
    assert (row["status"], row["error_type"], row["attempts"]) == (413, "request_too_large", 0)


def test_what_comes_before_its_turn_is_not_collected(proxy: Proxy) -> None:
    body = b'{"model": "gpt-4o-mini", "messages": []}'
    head = f"POST {CHAT_PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-fake: delay=5\r\ncontent-length: {len(body)}\r\n\r\n"
    with connect(proxy) as client, pytest.raises(OSError):
        client.sendall(head.encode() + body)
        for _ in range(100):
            client.sendall(b"x" * 2**20)


def test_a_head_that_never_ends_is_told_and_then_cut() -> None:
    class Client:
        id, connected = "c", True

    connections = OpenConnections()
    caller = connections.of(Client())  # type: ignore[arg-type]
    caller.waits_for_head(True)
    due = caller.cut_at
    assert due is not None
    caller.waits_for_head(True)  # another byte of it buys no time
    assert caller.cut_at == due
    assert connections.late(due - 0.1) == []
    assert connections.late(due) == [("c", False)]
    assert connections.late(due + 1) == [("c", True)]
    assert connections.late(due + 100) == []
    caller.waits_for_head(False)
    assert connections.late(due + 2 * HEAD_S) == []


class Http2:
    """A caller that says what it likes."""

    def __init__(self, proxy: Proxy) -> None:
        self.socket = http2_tunnel(proxy, "api.openai.com")
        config = h2.config.H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False)
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()

    def ask(self, *more: tuple[str, str], body: bytes | None = b"", path: str = "/v1/chat/completions") -> int:
        stream = self.h2.get_next_available_stream_id()
        head = [(":method", "POST"), (":scheme", "https"), (":authority", "api.openai.com"), (":path", path), *more]
        self.h2.send_headers(stream, head, end_stream=body is None)
        if body is not None:
            self.h2.send_data(stream, body, end_stream=True)
        self.socket.sendall(self.h2.data_to_send())
        return stream

    def answer(self, stream: int) -> tuple[int, bytes]:
        status, body = 0, b""
        while True:
            data = self.socket.recv(65536)
            if not data:
                return status, body
            for event in self.h2.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived) and event.stream_id == stream:
                    status = int(dict(event.headers)[b":status"])
                elif isinstance(event, h2.events.DataReceived) and event.stream_id == stream:
                    body += event.data
                elif isinstance(event, h2.events.StreamEnded | h2.events.StreamReset) and event.stream_id == stream:
                    return status, body
                elif isinstance(event, h2.events.ConnectionTerminated):
                    return -1, body
            self.socket.sendall(self.h2.data_to_send())


def test_a_body_without_a_length_is_framed_and_is_no_second_request(proxy: Proxy, provider: FakeProviders) -> None:
    hidden = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
    for path in ("/v1/chat/completions", "/v1/files"):
        provider.requests.clear()
        client = Http2(proxy)
        client.answer(client.ask(("content-type", "application/json"), body=hidden, path=path))
        assert [(request.path, request.body) for request in provider.requests] == [(path, hidden)]


def test_a_length_without_a_body_goes_nowhere(proxy: Proxy, provider: FakeProviders) -> None:
    for path in ("/v1/chat/completions", "/v1/files"):
        client = Http2(proxy)
        status, body = client.answer(client.ask(("content-length", "5"), body=None, path=path))
        assert status == 400
        assert json.loads(body)["error"]["message"]
    assert provider.requests == []


@pytest.mark.parametrize(
    "path", ["/v1/x HTTP/1.1\r\nx: y", "/v1/x y", "v1/x", "/v1/\x00", "http://127.0.0.1:1/", "*", "/v1/x#y"]
)
def test_an_odd_path_goes_nowhere(proxy: Proxy, provider: FakeProviders, path: str) -> None:
    client = Http2(proxy)
    status, _ = client.answer(client.ask(path=path, body=b"{}"))
    assert status in (-1, 0, 400)
    assert provider.requests == []


def test_errors_over_http2_are_json(proxy: Proxy) -> None:
    client = Http2(proxy)
    status, body = client.answer(client.ask(*((f"x-{i}", "1") for i in range(300))))
    assert status == 431
    assert json.loads(body)["error"]["message"]
    status, body = client.answer(client.ask(path="v1/x"))
    assert status in (-1, 400)
    assert status == -1 or json.loads(body)["error"]["message"]


def test_a_refused_request_that_is_reset_at_once_ends_alone(proxy: Proxy) -> None:
    client = Http2(proxy)
    too_many = [(f"x-{i}", "1") for i in range(300)]
    stream = client.h2.get_next_available_stream_id()
    client.h2.send_headers(
        stream, [(":method", "POST"), (":scheme", "https"), (":authority", "a"), (":path", "/"), *too_many]
    )
    client.h2.reset_stream(stream)
    status, _ = client.answer(client.ask(*too_many))  # sends what waits in one write
    assert status == 431


def test_calls_are_answered_while_heads_are_refused(proxy: Proxy) -> None:
    """A proxy that read such a head to its end would need minutes, and the calls would be given up."""
    is_enough = threading.Event()

    async def flood() -> int:
        host, port = proxy.url.removeprefix("http://").split(":")
        heads = 0
        while not is_enough.is_set():
            heads += 1
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"GET / HTTP/1.1\r\nx: " + b"a" * 10_000_000)
            with contextlib.suppress(OSError, TimeoutError):  # it is refused, and then cut
                await asyncio.wait_for(writer.drain(), 0.2)
            writer.transport.abort()
        return heads

    with ThreadPoolExecutor(1) as pool:
        flooding = pool.submit(asyncio.run, flood())
        try:
            for _ in range(20):
                assert plain(proxy).post(CHAT_PATH, json=CHAT).status_code == 200
        finally:
            is_enough.set()
        assert flooding.result() > 0


@pytest.fixture(scope="module")
def impatient(shared_provider: FakeProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    data = tmp_path_factory.mktemp("impatient")
    (data / "heliograph.toml").write_text("[timeouts]\nhead_s = 0.5\n")
    with run_up(data, *to(shared_provider)) as proxy:
        yield proxy


def test_a_head_that_never_ends_is_answered_408(impatient: Proxy) -> None:
    with connect(impatient) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nx: ")
        status, body = answer_of(client)
        assert status == 408
        assert "within 0.5 s" in str(body["error"])
        assert client.recv(1000) == b""


def test_a_tls_handshake_that_never_ends_is_cut(impatient: Proxy) -> None:
    def is_open(client: socket.socket) -> bool:
        client.sendall(b"CONNECT api.openai.com:443 HTTP/1.1\r\nhost: api.openai.com:443\r\n\r\n")
        return head_of(client).startswith(b"HTTP/1.1 200")

    with ExitStack() as stack:  # on a busy machine even this head may be late
        client = wait_for(lambda: tried if is_open(tried := stack.enter_context(connect(impatient))) else None)
        assert client
        client.sendall(b"\x16\x03\x01\x02\x00\x01\x00")  # the beginning of a ClientHello
        assert client.recv(1000) == b""  # before the socket's own timeout


def test_a_call_that_takes_longer_than_its_head_may_is_not_cut(impatient: Proxy) -> None:
    def status() -> int:
        return plain(impatient).post(CHAT_PATH, json=CHAT, headers={"x-fake": "delay=1.5"}).status_code

    assert (
        wait_for(lambda: found if (found := status()) != 408 else None) == 200
    )  # a head may be late on a busy machine


def test_refused_uploads_are_held_nowhere(shared_provider: FakeProviders, tmp_path: Path) -> None:
    def rss_bytes() -> int:
        status = Path(f"/proc/{proxy.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    def upload() -> None:
        with connect(proxy) as client:
            head = f"POST {CHAT_PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {50 * 2**20}\r\n\r\n"
            client.sendall(head.encode())
            with contextlib.suppress(OSError):  # what is refused is dropped for a while, and then cut
                for _ in range(50):
                    client.sendall(b"x" * 2**20)
            with contextlib.suppress(ConnectionResetError):
                assert answer_of(client)[0] == 401

    made_key(tmp_path, "ci")
    with run_up(tmp_path, *to(shared_provider)) as proxy:
        before = rss_bytes()
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda _: upload(), range(3)))
        assert rss_bytes() - before < 30 * 2**20


def test_an_impossible_host_delays_no_shutdown(shared_provider: FakeProviders, tmp_path: Path) -> None:
    with run_up(tmp_path, *to(shared_provider)) as proxy:
        headers = {"helicone-target-url": f"https://{'a' * 70}.openai.azure.com"}
        answer = plain(proxy).post("/gateway/openai/v1/chat/completions", json=CHAT, headers=headers)
        assert answer.status_code == 502
        with connect(proxy) as client:
            client.sendall(b"CONNECT " + b"a" * 70 + b":443 HTTP/1.1\r\n\r\n")
            assert answer_of(client)[0] in (400, 502)
        assert plain(proxy).get("/healthz").json()["calls"]["under_way"] == 0  # they would be waited for
        assert proxy.stop() == 0


@pytest.mark.parametrize("odd", [b"\x0b", b"\x0c", b"\x1f", b"\x7f", b"\x01"])
def test_a_control_character_in_a_header_is_refused(proxy: Proxy, provider: FakeProviders, odd: bytes) -> None:
    with connect(proxy) as client:
        client.sendall(b"GET " + CHAT_PATH.encode() + b" HTTP/1.1\r\nhost: 127.0.0.1\r\nx-a: a" + odd + b"b\r\n\r\n")
        assert answer_of(client)[0] == 400
    assert provider.requests == []


def test_blanks_of_any_kind_around_chunked_are_not_sent_on(proxy: Proxy, provider: FakeProviders) -> None:
    """One server strips them and reads `chunked`, the next one does not, and reads the body as another request."""
    with connect(proxy) as client:
        head = (
            b"POST " + CHAT_PATH.encode() + b" HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding:\x0bchunked\x0c\r\n\r\n"
        )
        client.sendall(head + b"2\r\n{}\r\n0\r\n\r\n")
        answer_of(client)
    (request,) = provider.requests
    assert dict(request.headers).get("transfer-encoding", "chunked") == "chunked"


def test_a_fragment_in_a_path_is_refused(proxy: Proxy, provider: FakeProviders) -> None:
    with connect(proxy) as client:
        client.sendall(b"POST " + CHAT_PATH.encode() + b"#x HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 2\r\n\r\n{}")
        assert answer_of(client)[0] == 400
    assert provider.requests == []
