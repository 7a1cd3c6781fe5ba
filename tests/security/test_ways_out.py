"""Where the proxy connects, for whom, and what it sends there."""

import base64
import socket
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPResponse

import httpx
import pytest

from addon.demo.providers import FakeProviders
from addon.hooks.fallback import sent_headers
from addon.mitm.tunnel import is_plain_http
from addon.sending.fallbacks import Fallback, Fallbacks
from tests.proxy.clients import CHAT, plain
from tests.proxy.conftest import Proxy, run_up, to
from tests.proxy.test_keys import made_key
from tests.sockets import head_of

CHAT_PATH = "/openai/v1/chat/completions"
LONG = "a" * 70


def talk(proxy: Proxy, *sent: bytes) -> bytes:
    """What comes back after each part: the beginning of an answer, with its head, or nothing."""
    host, port = proxy.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as client:
        received = b""
        for part in sent:
            client.sendall(part)
            with suppress(ConnectionResetError):  # what it has not read resets the connection that it closes
                received += client.recv(65536)
        return received


@pytest.mark.parametrize("host", [LONG, f"{LONG}.example.org", "a..example.org"])
def test_a_host_that_is_no_name_ends_the_request_at_once(proxy: Proxy, host: str) -> None:
    for request in (f"CONNECT {host}:443 HTTP/1.1\r\n\r\n", f"GET http://{host}/ HTTP/1.1\r\nhost: {host}\r\n\r\n"):
        answer = talk(proxy, request.encode())
        assert answer.startswith((b"HTTP/1.1 502", b"HTTP/1.1 400"))
        assert b"application/json" in answer.lower()


def test_a_target_that_is_no_name_is_a_row(proxy: Proxy) -> None:
    request_id = "01a1fc4a-9fe6-7f76-966e-0ee58dcd5c55"
    headers = {
        "helicone-target-url": f"https://{LONG}.openai.azure.com",
        "helicone-request-id": request_id,
    }
    answer = plain(proxy).post("/gateway/openai/v1/chat/completions", json=CHAT, headers=headers)
    assert answer.status_code == 502
    assert "longer than 63 characters" in answer.json()["error"]["message"]
    assert answer.headers["helicone-status"] == "connection_failed"
    row = proxy.row(request_id)
    assert (row["status"], row["error_type"]) == (-100, "connection_failed")


class Open:
    """A proxy with keys that other machines can reach, and what they must not reach."""

    def __init__(self, proxy: Proxy, key: str, inner: FakeProviders) -> None:
        self.proxy, self.key, self.inner = proxy, key, inner
        self.url = proxy.url.replace("0.0.0.0", "127.0.0.1").replace("http://", f"http://x:{key}@")


@pytest.fixture(scope="module")
def opened(shared_provider: FakeProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    data = tmp_path_factory.mktemp("opened")
    key = made_key(data, "ci", "proxy")
    with FakeProviders() as inner, run_up(data, "--listen", "0.0.0.0:0", *to(shared_provider)) as proxy:
        yield Open(proxy, key, inner)


@pytest.mark.parametrize("name", ["127.0.0.1", "127.0.0.2", "localhost", "127.1", "0.0.0.0", "169.254.169.254"])
def test_nobody_reaches_this_machine_through_an_open_proxy(opened: Open, name: str) -> None:
    opened.inner.requests.clear()
    url = f"{name}:{opened.inner.port}/v1/models"
    with httpx.Client(proxy=opened.url, trust_env=False, timeout=30) as client:
        with pytest.raises(httpx.ProxyError, match="403"):
            client.get(f"https://{url}")
        answer = client.get(f"http://{url}")
    assert answer.status_code == 403
    assert "[targets] allow" in answer.json()["error"]["message"]
    assert opened.inner.requests == []


def test_a_configured_upstream_on_this_machine_is_reached(opened: Open) -> None:
    headers = {"helicone-auth": f"Bearer {opened.key}"}
    url = opened.proxy.url.replace("0.0.0.0", "127.0.0.1")
    with httpx.Client(trust_env=False, timeout=60) as client:
        assert client.post(f"{url}{CHAT_PATH}", json=CHAT, headers=headers).status_code == 200


def test_a_local_server_that_nobody_configured_is_not_reached(opened: Open) -> None:
    url = opened.proxy.url.replace("0.0.0.0", "127.0.0.1")
    headers = {"helicone-auth": f"Bearer {opened.key}"}
    with httpx.Client(trust_env=False, timeout=60) as client:
        answer = client.post(f"{url}/ollama/v1/chat/completions", json=CHAT, headers=headers)
    assert answer.status_code == 403


def test_with_keys_only_http_inside_tls_on_its_own_port_goes_to_a_provider(opened: Open) -> None:
    proxy = Proxy(
        opened.proxy.process, opened.proxy.data, opened.proxy.url.replace("0.0.0.0", "127.0.0.1"), opened.proxy.ca
    )
    basic = base64.b64encode(f"x:{opened.key}".encode()).decode()
    head = "CONNECT api.openai.com:{port} HTTP/1.1\r\nproxy-authorization: Basic " + basic + "\r\n\r\n"
    assert talk(proxy, head.format(port=8443).encode()).startswith(b"HTTP/1.1 403")
    for bytes_inside in (
        b"\r\nPOST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n\r\n",
        b"SSH-2.0-x\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
    ):
        received = talk(proxy, head.format(port=443).encode(), bytes_inside)
        assert received.partition(b"\r\n\r\n")[2] == b""


def test_a_key_admits_the_request_that_brought_it(opened: Open, provider: FakeProviders) -> None:
    port = opened.proxy.url.rpartition(":")[2]
    body = b'{"model": "gpt-4o-mini", "messages": []}'
    with socket.create_connection(("127.0.0.1", int(port)), timeout=30) as client:
        for key, status in ((f"helicone-auth: {opened.key}\r\n", 200), ("", 401)):
            head = f"POST {CHAT_PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\n{key}content-length: {len(body)}\r\n\r\n"
            client.sendall(head.encode() + body)
            answer = HTTPResponse(client)
            answer.begin()
            answer.read()
            assert answer.status == status


@pytest.mark.parametrize("path", ["/v1/%63hat/completions", "//v1/chat/completions", "/v1/x/../chat/completions"])
def test_a_path_that_can_be_read_in_two_ways_is_refused_with_keys_and_metered_without(
    opened: Open, proxy: Proxy, path: str
) -> None:
    body = b'{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "x"}]}'
    head = f"POST /openai{path} HTTP/1.1\r\nhost: 127.0.0.1\r\nhelicone-auth: {opened.key}\r\n"
    request = f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
    there = Proxy(
        opened.proxy.process, opened.proxy.data, opened.proxy.url.replace("0.0.0.0", "127.0.0.1"), opened.proxy.ca
    )
    assert talk(there, request).startswith(b"HTTP/1.1 400")
    before = proxy.seen()
    talk(proxy, request)
    assert proxy.seen() == before + 1


@pytest.mark.parametrize(
    ("query", "headers"), [("", {"x-http-method-override": "POST"}), ("?$httpMethod=POST", {})], ids=["header", "query"]
)
def test_a_get_that_means_a_post_is_refused_with_keys_and_metered_without(
    opened: Open, proxy: Proxy, provider: FakeProviders, query: str, headers: dict[str, str]
) -> None:
    url = opened.proxy.url.replace("0.0.0.0", "127.0.0.1") + CHAT_PATH + query
    with httpx.Client(trust_env=False, timeout=60) as client:
        refused = client.request("GET", url, json=CHAT, headers={"helicone-auth": opened.key, **headers})
    assert refused.status_code == 400
    assert provider.requests == []
    before = proxy.seen()
    plain(proxy).request("GET", CHAT_PATH + query, json=CHAT, headers=headers)
    assert proxy.seen() == before + 1


def test_plain_http_to_another_host_goes_without_our_headers(proxy: Proxy, provider: FakeProviders) -> None:
    headers = {"helicone-auth": "Bearer sk", "proxy-authorization": "Basic eDp5", "x-mine": "1"}
    with httpx.Client(proxy=proxy.url, trust_env=False, timeout=60) as client:
        client.get(f"{provider.url}/v1/models", headers=headers)
    names = {name.lower() for name, _ in provider.requests[-1].headers}
    assert "x-mine" in names
    assert not {"helicone-auth", "proxy-authorization"} & names


def test_to_another_provider_goes_nothing_that_may_be_a_credential() -> None:
    came = [
        (b"Content-Type", b"application/json"),
        (b"Content-Encoding", b"gzip"),
        (b"Accept", b"*/*"),
        (b"Authorization", b"Bearer openai"),
        (b"X-My-Gateway-Key", b"secret"),
        (b"Cookie", b"a=b"),
        (b"X-Stainless-Lang", b"python"),
    ]
    other = Fallback(origin="https://api.groq.com", headers=(("Authorization", "Bearer groq"),))
    sent = sent_headers(tuple(came), other, Fallbacks((other,), by_config=True))
    assert {name.lower(): value for name, value in sent} == {
        b"content-type": b"application/json",
        b"content-encoding": b"gzip",
        b"accept": b"*/*",
        b"authorization": b"Bearer groq",
    }
    same = Fallback(origin=None, body={"model": '"other"'})
    assert len(sent_headers(tuple(came), same, Fallbacks((same,), by_config=True))) == len(came)


def inside_a_tunnel(proxy: Proxy, provider: FakeProviders) -> socket.socket:
    host, port = proxy.url.removeprefix("http://").split(":")
    client = socket.create_connection((host, int(port)), timeout=30)
    there = provider.url.removeprefix("http://")
    client.sendall(f"CONNECT {there} HTTP/1.1\r\nhost: {there}\r\n\r\n".encode())
    assert head_of(client).startswith(b"HTTP/1.1 200")
    return client


PLAIN = (
    b"POST /v1/files HTTP/1.1\r\nhost: x\r\nHELICONE-AUTH: Bearer sk\r\nhelicone-user-id: me\r\nx-mine: 1\r\n"
    b"proxy-authorization: Basic eDp5\r\ncontent-length: 2\r\n\r\n{}"
)


@pytest.mark.parametrize("size", [len(PLAIN), 1, 7], ids=["whole", "byte by byte", "in pieces"])
def test_plain_http_in_a_tunnel_goes_without_our_headers(proxy: Proxy, size: int) -> None:
    with FakeProviders() as other, inside_a_tunnel(proxy, other) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in (1, 2):  # the second on the same connection
            for at in range(0, len(PLAIN), size):
                client.sendall(PLAIN[at : at + size])
            answer = HTTPResponse(client)
            answer.begin()
            answer.read()
            assert len(other.requests) == number
    for request in other.requests:
        names = {name.lower() for name, _ in request.headers}
        assert (request.body, "x-mine" in names) == (b"{}", True)
        assert not {"helicone-auth", "helicone-user-id", "proxy-authorization"} & names


@pytest.mark.parametrize(
    ("said", "is_http"),
    [
        (b"", None), (b"GE", None), (b"GET /a HTTP/1.", None), (b"\r\n\r\nGET", None), (b"GET /a HTTP/1.1\r", None),
        (b"GET /a HTTP/1.1\r\n", True), (b"get  /a HTTP/1.0\n", True), (b"M-SEARCH * HTTP/1.1\r\nx: y", True),
        (b"\x16\x03\x01", False), (b"SSH-2.0-x\r\n", False), (b"PING\r\n", False), (b"get key\r\n", False),
        (b"PRI * HTTP/2.0\r\n", False), (b"\x00", False), (b"A" * 50, False), (b"GET " + b"a" * 100_000, False),
    ],
)  # fmt: skip
def test_plain_http_is_told_by_its_first_line(said: bytes, is_http: bool | None) -> None:
    assert is_plain_http(said) is is_http
