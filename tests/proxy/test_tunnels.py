"""Hosts that are nobody's provider: tunnelled blindly, seen by nobody."""

import datetime
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from addon.demo.providers import FakeProviders
from tests.ports import closed_port
from tests.proxy.clients import CHAT
from tests.proxy.conftest import Proxy, run_mitmdump, run_up, to
from tests.serving import QuietHandler, serving
from tests.sockets import head_of, read_until


@pytest.fixture(scope="module")
def own_certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A server's own certificate for localhost (PEM with its key, and its DER)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody else's server")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path, certificate.public_bytes(serialization.Encoding.DER)


@pytest.fixture(scope="module")
def elsewhere(own_certificate: tuple[Path, bytes]) -> Iterator[FakeProviders]:
    """A TLS server that answers like a provider and is not one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own_certificate[0])
    with FakeProviders(tls=context) as server:
        yield server


def test_another_host_shows_its_own_certificate_and_makes_no_row(
    proxy: Proxy, elsewhere: FakeProviders, own_certificate: tuple[Path, bytes]
) -> None:
    before = proxy.seen()
    context = ssl.create_default_context(cafile=own_certificate[0])
    with (
        httpx.Client(proxy=proxy.url, verify=context, trust_env=False, timeout=60) as client,
        client.stream("POST", f"https://localhost:{elsewhere.port}/v1/chat/completions", json=CHAT) as answer,
    ):
        shown = answer.extensions["network_stream"].get_extra_info("ssl_object").getpeercert(True)
        answer.read()
    assert answer.status_code == 200
    assert shown == own_certificate[1]
    assert "helicone-id" not in answer.headers
    assert proxy.seen() == before


def test_another_host_shows_its_own_certificate_under_another_mode_too(
    proxy: Proxy, elsewhere: FakeProviders, own_certificate: tuple[Path, bytes], tmp_path: Path
) -> None:
    context = ssl.create_default_context(cafile=own_certificate[0])
    with (
        run_mitmdump(tmp_path, f"--mode=upstream:{proxy.url}") as other,
        httpx.Client(proxy=other.url, verify=context, trust_env=False, timeout=60) as client,
    ):
        assert client.post(f"https://localhost:{elsewhere.port}/v1/chat/completions", json=CHAT).status_code == 200


def test_a_server_that_speaks_first_can_be_tunnelled(proxy: Proxy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.sendall(b"SSH-2.0-greeting\r\n")

        threading.Thread(target=greet, daemon=True).start()
        host, port = proxy.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=30) as client:
            client.sendall(f"CONNECT 127.0.0.1:{listener.getsockname()[1]} HTTP/1.1\r\n\r\n".encode())
            received = read_until(client, b"greeting")
    assert received.startswith(b"HTTP/1.1 200")


def test_a_host_that_refuses_is_told_before_the_tunnel_is_confirmed(proxy: Proxy) -> None:
    with (
        closed_port() as port,
        pytest.raises(httpx.ProxyError, match="502"),
        httpx.Client(proxy=proxy.url, trust_env=False, timeout=60) as client,
    ):
        client.get(f"https://127.0.0.1:{port}/")


def test_a_plain_http_request_to_another_host_passes_as_it_is(proxy: Proxy) -> None:
    before = proxy.seen()
    with FakeProviders() as other, httpx.Client(proxy=proxy.url, trust_env=False, timeout=60) as client:
        answer = client.post(f"{other.url}/v1/chat/completions", json=CHAT)
    assert answer.status_code == 200
    assert "helicone-id" not in answer.headers
    assert proxy.seen() == before


def test_a_proxy_that_was_set_before_us_is_our_way_out(shared_provider: FakeProviders, tmp_path: Path) -> None:
    asked: list[tuple[str, str | None]] = []

    class Corporate(QuietHandler):
        def do_CONNECT(self) -> None:
            asked.append((self.path, self.headers["Proxy-Authorization"]))
            self.send_error(403, "not from here")

    with serving(Corporate) as url:
        before_us = {"HTTPS_PROXY": url.replace("http://", "http://us%40er:pw@")}
        with run_up(tmp_path, *to(shared_provider), variables=before_us) as proxy:
            context = ssl.create_default_context(cafile=proxy.ca)
            with httpx.Client(proxy=proxy.url, verify=context, trust_env=False, timeout=60) as client:
                assert client.post("https://api.groq.com/openai/v1/chat/completions", json=CHAT).status_code == 502
                local = client.post("https://api.openai.com/v1/chat/completions", json=CHAT)
            assert local.status_code == 200  # --upstream names this machine: no way out is needed
            assert asked == [("api.groq.com:443", "Basic dXNAZXI6cHc=")]  # us@er:pw


def test_behind_another_proxy_other_hosts_are_not_read_either(
    proxy: Proxy,
    provider: FakeProviders,
    elsewhere: FakeProviders,
    own_certificate: tuple[Path, bytes],
    tmp_path: Path,
) -> None:
    """The other proxy is a heliograph: it, too, tunnels hosts that are not providers."""
    context = ssl.create_default_context(cafile=own_certificate[0])
    with (
        run_up(tmp_path, *to(provider), variables={"HTTPS_PROXY": proxy.url}) as ours,
        socket.create_server(("127.0.0.1", 0)) as greeter,
    ):
        with httpx.Client(proxy=ours.url, verify=context, trust_env=False, timeout=60) as client:
            answer = client.post(f"https://localhost:{elsewhere.port}/v1/chat/completions", json=CHAT)
        assert answer.status_code == 200
        host, port = ours.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=30) as client_socket:
            client_socket.sendall(f"CONNECT 127.0.0.1:{greeter.getsockname()[1]} HTTP/1.1\r\n\r\n".encode())
            assert head_of(client_socket).startswith(b"HTTP/1.1 200")
            other_end, _ = greeter.accept()
            other_end.sendall(b"SSH-2.0-greeter\r\n")
            assert client_socket.recv(17, socket.MSG_WAITALL) == b"SSH-2.0-greeter\r\n"
            other_end.close()
        with socket.create_connection((host, int(port)), timeout=30) as client_socket:
            there = provider.url.removeprefix("http://")
            client_socket.sendall(f"CONNECT {there} HTTP/1.1\r\n\r\n".encode())
            assert head_of(client_socket).startswith(b"HTTP/1.1 200")
            client_socket.sendall(b"GET /v1/models HTTP/1.1\r\nhost: x\r\nhelicone-auth: sk\r\n\r\n")
            assert head_of(client_socket).startswith(b"HTTP/1.1 ")
        assert "helicone-auth" not in {name.lower() for name, _ in provider.requests[-1].headers}
