"""What a fake provider can be told to do wrong, and what it notices, at the level of bytes."""

import http.client
import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import zstandard

from addon.demo.behaviour import Behaviour, parse_behaviour
from addon.demo.providers import FakeProviders
from tests.localhost_tls import authority, server_tls
from tests.sockets import head_of

CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Good day"}]}
STREAM = CHAT | {"stream": True}


@pytest.fixture
def connection(provider: FakeProviders) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", provider.port, timeout=30)
    yield connection
    connection.close()


def post(
    connection: http.client.HTTPConnection, body: object, headers: dict[str, str] | None = None
) -> http.client.HTTPResponse:
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers or {})
    return connection.getresponse()


def test_a_request_is_recorded_as_it_came(provider: FakeProviders, connection: http.client.HTTPConnection) -> None:
    post(connection, CHAT, {"X-Mixed-Case": "Yes"}).read()
    received = provider.requests[0]
    assert (received.method, received.path) == ("POST", "/v1/chat/completions")
    assert ("X-Mixed-Case", "Yes") in received.headers
    assert received.header("x-mixed-case") == "Yes"
    assert received.body == json.dumps(CHAT).encode()
    assert received.cancelled is False


def test_a_script_holds_for_so_many_answers_and_then_all_is_well(
    provider: FakeProviders, connection: http.client.HTTPConnection
) -> None:
    provider.script(Behaviour(status=500), times=2)
    provider.script(Behaviour(status=529))
    statuses = []
    for _ in range(4):
        response = post(connection, CHAT)
        response.read()
        statuses.append(response.status)
    assert statuses == [500, 500, 529, 200]
    assert provider.hits == 4


def test_a_header_scripts_its_own_request_and_leaves_the_script_alone(
    provider: FakeProviders, connection: http.client.HTTPConnection
) -> None:
    provider.script(Behaviour(status=500))
    limited = post(connection, CHAT, {"x-fake": "status=429; retry-after=7"})
    limited.read()
    failed = post(connection, CHAT)
    failed.read()
    assert (limited.status, limited.headers["retry-after"], failed.status) == (429, "7", 500)


def test_a_wish_that_cannot_be_read_is_named(connection: http.client.HTTPConnection) -> None:
    response = post(connection, CHAT, {"x-fake": "stauts=500"})
    assert response.status == 400
    assert response.read().startswith(b"x-fake: unknown setting 'stauts'; did you mean 'status'; there are status,")
    with pytest.raises(ValueError, match="x-fake: delay: 'soon' is not a number of seconds"):
        parse_behaviour("delay=soon")
    with pytest.raises(ValueError, match="'rot13' is not known; allowed are lie, gzip"):
        parse_behaviour("encoding=rot13")


@pytest.mark.parametrize("wish", ["cut=3", "cut=3;reset=1"])
def test_a_cut_stream_ends_without_its_end(connection: http.client.HTTPConnection, wish: str) -> None:
    response = post(connection, STREAM, {"x-fake": wish})
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        response.read()
    assert response.status == 200


def test_a_cut_stream_has_sent_just_its_first_pieces(connection: http.client.HTTPConnection) -> None:
    response = post(connection, STREAM, {"x-fake": "cut=3"})
    with pytest.raises(http.client.IncompleteRead) as cut:
        response.read()
    assert cut.value.partial.count(b"\n\n") == 3


def test_a_cut_json_answer_is_shorter_than_it_said(connection: http.client.HTTPConnection) -> None:
    response = post(connection, CHAT, {"x-fake": "cut=4"})
    with pytest.raises(http.client.IncompleteRead) as cut:
        response.read()
    assert cut.value.partial.startswith(b'{"id":"chatcmpl-')


def test_no_answer_is_a_closed_connection(connection: http.client.HTTPConnection) -> None:
    with pytest.raises(http.client.RemoteDisconnected):
        post(connection, CHAT, {"x-fake": "no-answer=1"})


def test_an_answer_can_have_any_length_body_and_type(connection: http.client.HTTPConnection) -> None:
    long = json.loads(post(connection, CHAT, {"x-fake": "words=60"}).read())
    assert long["usage"]["completion_tokens"] == 60
    said = json.loads(post(connection, CHAT, {"x-fake": "say=Good morning, a=b."}).read())
    assert said["choices"][0]["message"]["content"] == "Good morning, a=b."
    assert said["usage"]["completion_tokens"] == 3
    page = post(connection, CHAT, {"x-fake": "body=<html>oops</html>;type=text/html"})
    assert (page.headers["content-type"], page.read()) == ("text/html", b"<html>oops</html>")
    assert json.loads(post(connection, CHAT, {"x-fake": "echo=1"}).read()) == CHAT


def test_a_zstd_stream_can_be_read_event_by_event(connection: http.client.HTTPConnection) -> None:
    plain = post(connection, STREAM).read()
    response = post(connection, STREAM, {"x-fake": "encoding=zstd;cut=2"})
    with pytest.raises(http.client.IncompleteRead) as cut:
        response.read()
    events = zstandard.ZstdDecompressor().decompressobj().decompress(cut.value.partial)
    assert response.headers["content-encoding"] == "zstd"
    assert events.count(b"\n\n") == 2
    assert plain.startswith(events)


def test_a_compressed_request_is_understood(connection: http.client.HTTPConnection) -> None:
    packed = zstandard.ZstdCompressor().compress(json.dumps(CHAT).encode())
    connection.request("POST", "/v1/chat/completions", packed, {"content-encoding": "zstd"})
    assert json.loads(connection.getresponse().read())["usage"]["prompt_tokens"] == 2
    connection.request("POST", "/v1/chat/completions", b"not gzip", {"content-encoding": "gzip"})
    response = connection.getresponse()
    assert (response.status, b"cannot decompress" in response.read()) == (400, True)


def test_a_lie_says_gzip_and_is_not(connection: http.client.HTTPConnection) -> None:
    response = post(connection, CHAT, {"x-fake": "encoding=lie"})
    assert response.headers["content-encoding"] == "gzip"
    assert json.loads(response.read())["object"] == "chat.completion"


@pytest.mark.parametrize("wish", ["words=1000;chunk-delay=0.01", "delay=60"])
def test_a_peer_that_goes_away_is_noticed(provider: FakeProviders, wish: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", provider.port, timeout=30)
    connection.request("POST", "/v1/chat/completions", json.dumps(STREAM), {"x-fake": wish})
    assert provider.wait_for(lambda: provider.hits == 1)
    connection.close()
    assert provider.wait_for(lambda: provider.requests[0].cancelled)


def test_a_peer_that_leaves_after_the_end_has_cancelled_nothing(
    provider: FakeProviders, connection: http.client.HTTPConnection
) -> None:
    post(connection, STREAM).read()
    connection.close()
    other = http.client.HTTPConnection("127.0.0.1", provider.port, timeout=30)
    post(other, CHAT).read()  # by now the server has seen the first one close
    other.close()
    assert [request.cancelled for request in provider.requests] == [False, False]


def test_requests_sent_at_once_on_one_connection_are_answered_in_order(provider: FakeProviders) -> None:
    request = b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n"
    last = b"GET /nowhere HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", provider.port), timeout=30) as sock:
        sock.sendall(request + request + last)
        answers = b"".join(iter(lambda: sock.recv(65536), b""))
    assert [part[:3] for part in answers.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"404"]


def test_a_chunked_body_is_read_and_so_is_one_that_waits_for_a_go_ahead(
    provider: FakeProviders, connection: http.client.HTTPConnection
) -> None:
    body = json.dumps(CHAT).encode()
    pieces = iter([body[:10], body[10:]])
    connection.request("POST", "/v1/chat/completions", pieces, encode_chunked=True)
    assert connection.getresponse().status == 200
    assert provider.requests[0].body == body

    head = f"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: {len(body)}\r\nexpect: 100-continue\r\n\r\n"
    with socket.create_connection(("127.0.0.1", provider.port), timeout=30) as sock:
        sock.sendall(head.encode())
        assert head_of(sock) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert head_of(sock).startswith(b"HTTP/1.1 200 OK")


def test_a_large_answer_waits_for_a_slow_reader(connection: http.client.HTTPConnection) -> None:
    response = post(connection, STREAM, {"x-fake": "words=20000"})
    assert response.read().endswith(b"data: [DONE]\n\n")


def test_many_connections_are_served_at_once(provider: FakeProviders) -> None:
    statuses = []

    def call() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", provider.port, timeout=30)
        response = post(connection, STREAM, {"x-fake": "delay=0.05"})
        response.read()
        statuses.append(response.status)
        connection.close()

    threads = [threading.Thread(target=call) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 20


def test_tls_is_spoken_with_the_given_certificate(tmp_path: Path) -> None:
    with FakeProviders(tls=server_tls(tmp_path)) as provider:
        trust = ssl.create_default_context(cafile=str(authority(tmp_path)))
        connection = http.client.HTTPSConnection("localhost", provider.port, timeout=30, context=trust)
        assert post(connection, STREAM, {"x-fake": "chunk-delay=0.001"}).read().endswith(b"data: [DONE]\n\n")
        assert provider.url.startswith("https://")
        connection.close()


def test_an_idle_provider_stops_with_connections_open() -> None:
    with FakeProviders() as provider:
        connection = http.client.HTTPConnection("127.0.0.1", provider.port, timeout=30)
        connection.request("POST", "/v1/chat/completions", json.dumps(CHAT), {"x-fake": "delay=3600"})
        assert provider.wait_for(lambda: provider.hits == 1)
    connection.close()


def test_the_module_runs_by_itself_until_it_is_told_to_stop() -> None:
    command = [sys.executable, "-m", "addon.demo.providers", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = urlsplit(process.stdout.readline()).port
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        assert post(connection, CHAT).status == 200
        connection.close()
        process.terminate()
        assert process.wait(timeout=60) == 0
