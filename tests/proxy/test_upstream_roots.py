"""The proxy trusts the certificates that the user's programs trust: a company's own, or those of a proxy before us that looks
into connections."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from addon.config import trust
from addon.demo.providers import FakeProviders
from tests.localhost_tls import authority, server_tls
from tests.proxy.clients import CHAT
from tests.proxy.conftest import Proxy, run_up


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The URL of a company's server, and the file of the authority that vouches for it."""
    folder = tmp_path_factory.mktemp("inside")
    with FakeProviders(tls=server_tls(folder)) as provider:
        yield f"https://localhost:{provider.port}", authority(folder)


def ask(proxy: Proxy) -> httpx.Response:
    return httpx.post(f"{proxy.url}/inside/v1/chat/completions", json=CHAT, timeout=60)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"])
def test_a_server_whose_authority_the_user_names(variable: str, inside: tuple[str, Path], tmp_path: Path) -> None:
    url, roots = inside
    with run_up(tmp_path, "--upstream", f"inside={url}", variables={variable: str(roots)}) as proxy:
        assert ask(proxy).status_code == 200
        assert proxy.said[0].startswith("heliograph listens on"), proxy.said


def test_a_server_whose_authority_nobody_names(inside: tuple[str, Path], tmp_path: Path) -> None:
    url, roots = inside
    torn = tmp_path / "torn.pem"
    torn.write_text(roots.read_text()[:300])
    variables = {"SSL_CERT_FILE": str(torn), "CURL_CA_BUNDLE": str(torn), "AWS_CA_BUNDLE": str(tmp_path / "none.pem")}
    with run_up(tmp_path / "data", "--upstream", f"inside={url}", variables=variables) as proxy:
        answer = ask(proxy)
        assert answer.status_code == 502
        assert answer.json()["error"]["message"].endswith(
            "Certificate verify failed: unable to get local issuer certificate; for a certificate authority of your own set"
            " SSL_CERT_FILE to the file of its certificate, and start heliograph again"
        )
        assert proxy.row(answer.headers["helicone-id"])["error_type"] == "connection_failed"
    said = "\n".join(proxy.said)
    assert (
        f"heliograph: SSL_CERT_FILE, CURL_CA_BUNDLE: {torn}: no certificates in PEM can be read from it; calls" in said
    )
    assert f"heliograph: AWS_CA_BUNDLE: {tmp_path / 'none.pem'}: no such file; calls" in said
    assert "Traceback" not in said


def test_the_usual_roots_stay(tmp_path: Path, inside: tuple[str, Path]) -> None:
    _, roots = inside
    trust.make_ca(tmp_path)
    usual = trust.write_upstream_roots(tmp_path, ()).read_text().count("BEGIN CERTIFICATE")
    assert usual > 50
    more = trust.write_upstream_roots(tmp_path, (roots,))
    assert more.read_text().count("BEGIN CERTIFICATE") == usual + 1
    assert more.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_no_text_ends_no_command(tmp_path: Path) -> None:
    der = tmp_path / "company.der"
    der.write_bytes(b"\x30\x82\x03\xff\x30\x82")
    assert trust.write_bundle(tmp_path, {"SSL_CERT_FILE": str(der)}).is_file()
    assert trust.named_roots({"SSL_CERT_FILE": str(der)}).roots == ()
