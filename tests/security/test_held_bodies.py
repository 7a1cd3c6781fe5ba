"""Request bodies that are held: of all calls together there is a bound, and a body that stops coming is not waited for."""

import contextlib
import json
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from addon.demo.providers import FakeProviders
from addon.limits.held_bodies import HeldBodies
from tests.proxy.clients import CHAT, plain
from tests.proxy.conftest import Proxy, run_up, to, wait_for
from tests.security.test_heads import CHAT_PATH, Http2, connect

MIB = 2**20
MOST = 32 * MIB
ANTHROPIC_PATH = "/anthropic/v1/messages"


@pytest.fixture(scope="module")
def small(shared_provider: FakeProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A proxy that may hold 32 MiB of bodies."""
    data = tmp_path_factory.mktemp("small")
    (data / "heliograph.toml").write_text(f"[memory]\nmax_request_bytes = {MOST}\n")
    with run_up(data, *to(shared_provider)) as proxy:
        yield proxy


def rss_bytes(proxy: Proxy) -> int:
    status = Path(f"/proc/{proxy.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def head(path: str, framing: str, request_id: str = "") -> bytes:
    known = f"helicone-request-id: {request_id}\r\n" if request_id else ""
    return f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{known}{framing}\r\n\r\n".encode()


def answer_of(client: socket.socket) -> tuple[int, dict[str, str], dict[str, object]]:
    """Status, headers and body."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while more := client.recv(65536):
            received += more
    start, _, body = received.partition(b"\r\n\r\n")
    lines = start.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    return int(lines[0].split(" ")[1]), headers, json.loads(body)


@pytest.mark.parametrize("framing", ["content-length: 4194304", "transfer-encoding: chunked"])
def test_bodies_of_many_connections_are_bounded_together(small: Proxy, provider: FakeProviders, framing: str) -> None:
    """40 connections try to have 2 MiB held each. Most are refused, and small calls go on meanwhile."""
    before = rss_bytes(small)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(small)) for _ in range(40)]
        for client in clients:
            with contextlib.suppress(OSError):  # refused, and then cut
                client.sendall(head(CHAT_PATH, framing))
                client.sendall((b"200000\r\n" if "chunked" in framing else b"") + b"x" * 2 * MIB)
        wait_for(lambda: len(answered(clients)) >= 20)
        refused = [answer_of(client)[:2] for client in answered(clients)]
        assert {status for status, _ in refused} == {503}
        assert all(int(headers["retry-after"]) >= 1 for _, headers in refused)
        assert all(headers["helicone-status"] == "heliograph_overloaded" for _, headers in refused)
        assert rss_bytes(small) - before < 3 * MOST
        assert plain(small).post(CHAT_PATH, json=CHAT).status_code == 200  # small calls have room of their own
        assert provider.requests[-1].path == "/v1/chat/completions"
    wait_for(lambda: big_call(small) == 200)  # what the callers that left held is free again


def answered(clients: list[socket.socket]) -> list[socket.socket]:
    ready, _, _ = select.select(clients, [], [], 0)
    return ready


def big_call(proxy: Proxy) -> int:
    return plain(proxy).post(CHAT_PATH, json=CHAT | {"user": "u" * 8 * MIB}).status_code


def test_a_refused_call_is_a_row_and_an_error_in_the_dialect_of_its_api(small: Proxy) -> None:
    request_id = "01a1fc4a-9fe6-7f76-966e-0ee58dcd5c66"
    with connect(small) as client:
        client.sendall(head(ANTHROPIC_PATH, f"content-length: {MOST}", request_id))
        status, headers, body = answer_of(client)
    assert (status, headers["retry-after"]) == (503, "2")
    assert body["type"] == "error"
    assert "[memory] max_request_bytes" in str(body["error"])
    row = small.row(request_id)
    assert (row["status"], row["error_type"], row["attempts"]) == (503, "heliograph_overloaded", 0)


def test_bodies_over_http2_count_as_well(small: Proxy) -> None:
    client = Http2(small)
    stream = client.h2.get_next_available_stream_id()
    asked = [(":method", "POST"), (":scheme", "https"), (":authority", "api.openai.com")]
    client.h2.send_headers(stream, [*asked, (":path", "/v1/chat/completions"), ("content-length", str(MOST))])
    client.socket.sendall(client.h2.data_to_send())
    status, body = client.answer(stream)
    assert status == 503
    assert json.loads(body)["error"]["code"] == "heliograph_overloaded"


def test_a_body_that_stops_coming_is_408_and_a_row(shared_provider: FakeProviders, tmp_path: Path) -> None:
    request_id = "01a1fc4a-9fe6-7f76-966e-0ee58dcd5c67"
    (tmp_path / "heliograph.toml").write_text("[timeouts]\nhead_s = 1\n")
    with run_up(tmp_path, *to(shared_provider)) as proxy, connect(proxy) as client:
        client.sendall(head(CHAT_PATH, "content-length: 900000", request_id) + b"x" * 100_000)

        def is_answered() -> bool:
            with contextlib.suppress(OSError):  # it is refused, and then cut
                client.sendall(b"x")
            return bool(answered([client]))

        wait_for(is_answered)  # a byte now and then does not keep it alive
        status, headers, _ = answer_of(client)
        assert (status, headers["helicone-status"]) == (408, "request_timeout")
        row = proxy.row(request_id)
        assert (row["status"], row["error_type"], row["attempts"]) == (408, "request_timeout", 0)


def test_a_body_that_comes_slowly_is_waited_for(shared_provider: FakeProviders, tmp_path: Path) -> None:
    (tmp_path / "heliograph.toml").write_text("[timeouts]\nhead_s = 5\n")
    body = json.dumps(CHAT | {"user": "u" * 120_000}).encode()
    with run_up(tmp_path, *to(shared_provider)) as proxy, connect(proxy) as client:
        client.sendall(head(CHAT_PATH, f"content-length: {len(body)}\r\nconnection: close"))
        for at in range(0, len(body), 20_000):
            client.sendall(body[at : at + 20_000])
            time.sleep(0.8)  # all together longer than one piece may take
        assert client.recv(12, socket.MSG_WAITALL) == b"HTTP/1.1 200"


def test_large_bodies_leave_room_for_small_ones() -> None:
    held = HeldBodies(8 * MIB)
    assert held.take(7 * MIB, 7 * MIB)
    assert not held.take(1, 7 * MIB + 1)
    assert held.take(MIB, 1000)
    assert not held.take(1, 1)
    held.give_back(7 * MIB)
    assert held.take(6 * MIB, 6 * MIB)
