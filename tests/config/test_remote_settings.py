"""Settings that have a URL: what is asked, what is refused, and which copy stays."""

import contextlib
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from addon.config.remote_copy import SourcePoll, copy_of, given_of, place_of, settings_file, source_of
from addon.config.remote_text import MOST_BYTES, Unreachable, ask, checked_url, shown
from addon.config.settings import ConfigError, Settings, load
from addon.objects.store import Store
from addon.storage.folders import Folders
from tests import buckets
from tests.objects.google import BUCKET, environment, google
from tests.serving import QuietHandler, serving
from tests.sockets import head_of

GOOD = '[[limits]]\nname = "house"\nquota = 5\nwindow = "1h"\n'


@dataclass
class Server:
    """What it answers, and what it was asked."""

    body: bytes = GOOD.encode()
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    missing: int = 0  # bytes of the stated length that are not sent
    asked: list[dict[str, str]] = field(default_factory=list)
    url: str = ""

    @property
    def etag(self) -> str:
        return f'"{hash(self.body)}"'


@contextmanager
def server_of(server: Server) -> Iterator[Server]:
    class Handler(QuietHandler):
        def do_GET(self) -> None:
            server.asked.append({name.lower(): value for name, value in self.headers.items()})
            same = self.headers.get("If-None-Match") == server.etag
            body = b"" if same else server.body
            self.send_response(304 if same else server.status)
            for name, value in {"ETag": server.etag, **server.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) + server.missing))
            self.end_headers()
            self.wfile.write(body)

    handler: type[BaseHTTPRequestHandler] = Handler
    with serving(handler) as url:
        server.url = f"{url}/heliograph.toml"
        yield server


@pytest.fixture
def server() -> Iterator[Server]:
    with server_of(Server()) as found:
        yield found


def limits(data: Path, config: Path | None) -> list[str]:
    return [limit.name for limit in load(data, config).limits]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://example.org/a.toml", "not an address of settings"),
        ("https:///a.toml", "not an address of settings"),
        ("https://ann:pw@example.org/a.toml", "HELIOGRAPH_CONFIG_HEADER"),
        ("http://config.example.org/a.toml", "use https, or set HELIOGRAPH_CONFIG_ALLOW_HTTP=1"),
    ],
)
def test_an_address_that_is_not_safe_is_refused(tmp_path: Path, url: str, said: str) -> None:
    with pytest.raises(ConfigError, match="--config") as refused:
        settings_file(tmp_path, url, {}, asks=True)
    assert said in str(refused.value)
    assert "ann:pw" not in str(refused.value)


def test_http_is_allowed_to_this_machine_and_by_choice() -> None:
    for url in ("http://127.0.0.1:1/a.toml", "http://localhost/a.toml", "https://example.org/a.toml", "s3://b/a.toml"):
        assert checked_url(url, {}) == url
    far = "http://config.example.org/a.toml"
    assert checked_url(far, {"HELIOGRAPH_CONFIG_ALLOW_HTTP": "1"}) == far


def test_the_copy_is_what_all_read_and_an_unchanged_text_is_not_sent_again(tmp_path: Path, server: Server) -> None:
    config, told = settings_file(tmp_path, server.url, {}, asks=True)
    assert config == copy_of(Folders(tmp_path), server.url)
    assert told == ""
    assert limits(tmp_path, config) == ["house"]
    assert place_of(config) == server.url == given_of(config)
    poll = SourcePoll(config)
    assert poll.is_due()
    assert poll.refresh(lambda text: pytest.fail("the text is the same")) == ""
    assert server.asked[-1]["if-none-match"] == server.etag
    assert not poll.is_due()


def test_a_file_is_just_a_file(tmp_path: Path) -> None:
    assert settings_file(tmp_path, None, {}, asks=True) == (None, "")
    assert settings_file(tmp_path, "a/b.toml", {}, asks=True) == (Path("a/b.toml"), "")
    assert source_of(tmp_path / "b.toml") is None
    assert not SourcePoll(tmp_path / "b.toml").is_due()


def test_the_last_good_copy_is_used_when_the_server_cannot_be_reached(tmp_path: Path) -> None:
    with server_of(Server()) as server:
        settings_file(tmp_path, server.url, {}, asks=True)
    forget_when(tmp_path, server.url)
    config, told = settings_file(tmp_path, server.url, {}, asks=True)
    assert limits(tmp_path, config) == ["house"]
    assert "cannot be reached: connection refused\nThe copy of 20" in told
    assert source_of(copy_of(Folders(tmp_path), server.url)).problem in told  # type: ignore[union-attr]


def test_without_a_copy_an_address_that_cannot_be_reached_is_a_failure(tmp_path: Path) -> None:
    with server_of(Server()) as server:
        pass
    with pytest.raises(Unreachable, match="cannot be reached"):
        settings_file(tmp_path, server.url, {}, asks=True)


def test_a_text_with_a_mistake_is_refused_with_the_address_and_the_copy_stays(tmp_path: Path, server: Server) -> None:
    settings_file(tmp_path, server.url, {}, asks=True)
    server.body = b'[[limits]]\nname = "house"\nquota = "many"\nwindow = "1h"\n'
    forget_when(tmp_path, server.url)
    config, told = settings_file(tmp_path, server.url, {}, asks=True)
    assert f"{server.url}: limits" in told
    assert limits(tmp_path, config) == ["house"]
    assert config
    poll = SourcePoll(config)

    def check(text: str) -> Settings:
        return load(tmp_path, config, text=text)

    assert "the settings stay as they were" in poll.refresh(check)
    assert poll.refresh(check) == ""  # told once
    server.body = GOOD.replace("house", "garden").encode()
    assert poll.refresh(check) == f"{server.url} can be used again"
    assert limits(tmp_path, config) == ["garden"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"body": b" \n"}, "is empty"),
        ({"body": b"#" * (MOST_BYTES + 10)}, "larger than 1 MiB"),
        ({"body": b"\xff\xfe"}, "not TOML"),
        ({"missing": 10}, "broke off"),
        ({"status": 500}, "answered with 500"),
        ({"status": 404}, "there is nothing (404)"),
        ({"status": 401}, "set HELIOGRAPH_CONFIG_HEADER to what it asks for"),
        ({"status": 302, "headers": {"Location": "https://other.example.org/x.toml?sig=abc"}}, "are not followed"),
    ],
)
def test_what_is_not_settings_is_told_in_words(server: Server, answer: dict[str, object], said: str) -> None:
    for name, value in answer.items():
        setattr(server, name, value)
    with pytest.raises(Unreachable) as told:
        ask(server.url, None, {})
    assert said in str(told.value)
    assert "sig=abc" not in str(told.value)


def test_the_header_of_the_environment_is_sent_and_the_query_is_not_shown(server: Server) -> None:
    ask(server.url, None, {"HELIOGRAPH_CONFIG_HEADER": "Private-Token: s3cret"})
    assert server.asked[-1]["private-token"] == "s3cret"
    with pytest.raises(Unreachable, match="is not a header") as told:
        ask(f"{server.url}?sig=abc", None, {"HELIOGRAPH_CONFIG_HEADER": "s3cret"})
    assert "s3cret" not in str(told.value)
    assert shown("https://example.org/a.toml?sig=abc") == "https://example.org/a.toml"


@pytest.mark.parametrize(
    ("said", "pause_s"), [("", 20), ("max-age=5", 5), ("public, max-age=3600", 20), ("no-cache, max-age=0", 20)]
)
def test_a_server_may_be_asked_more_often_but_not_more_seldom(server: Server, said: str, pause_s: float) -> None:
    server.headers = {"Cache-Control": said}
    assert ask(server.url, None, {}).again_after_s == pause_s


def test_settings_in_a_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with buckets.s3_server() as s3:
        buckets.use(monkeypatch, s3)
        store = Store(buckets.make_bucket(s3, "settings"))
        url = f"{store.url}/heliograph.toml"
        with pytest.raises(Unreachable, match="no such object"):
            settings_file(tmp_path, url, {}, asks=True)
        etag = store.put("heliograph.toml", GOOD.encode(), None)
        config, _ = settings_file(tmp_path, url, {}, asks=True)
        assert limits(tmp_path, config) == ["house"]
        assert ask(url, etag, {}).text is None
        store.put("heliograph.toml", GOOD.replace("house", "garden").encode(), etag)
        assert "garden" in (ask(url, etag, {}).text or "")
        store.put("large.toml", b"#" * (MOST_BYTES + 1), None)
        with pytest.raises(Unreachable, match="larger than 1 MiB"):
            ask(f"{store.url}/large.toml", None, {})


def test_settings_at_google(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with google() as served:
        for name, value in environment(served).items():
            monkeypatch.setenv(name, value)
        url = f"gs://{BUCKET}/settings/heliograph.toml"
        with pytest.raises(Unreachable, match="no such object"):
            ask(url, None, {})
        etag = Store(f"gs://{BUCKET}/settings").put("heliograph.toml", GOOD.encode(), None)
        config, _ = settings_file(tmp_path, url, {}, asks=True)
        assert limits(tmp_path, config) == ["house"]
        assert ask(url, etag, {}).text is None


def test_a_certificate_of_an_authority_of_ones_own(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root, intermediate and server, as companies have them."""
    root, chain, key = certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    with tls_before(server.url, context) as url:
        with pytest.raises(
            Unreachable, match=r"its certificate is not trusted: .*; for a certificate authority of your own"
        ):
            ask(url, None, {})
        monkeypatch.setenv("SSL_CERT_FILE", str(root))
        assert ask(url, None, {}).text == GOOD
        with pytest.raises(Unreachable, match=r"not trusted: .*127\.0\.0\.1"):
            ask(url.replace("localhost", "127.0.0.1"), None, {})


def certificates(folder: Path) -> tuple[Path, Path, Path]:
    """The root's certificate; the server's for localhost with that of the intermediate; the server's key."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)

    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(
        "req",
        "-x509",
        *new_key,
        "-subj",
        "/CN=root",
        "-addext",
        "keyUsage=critical,keyCertSign",
        "-keyout",
        "root.key",
        "-out",
        "root.pem",
        "-days",
        "30",
    )
    ids = "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    made_by = {"middle": ("root", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n")}
    made_by["server"] = ("middle", "subjectAltName=DNS:localhost\n")
    for name, (issuer, extensions) in made_by.items():
        (folder / f"{name}.ext").write_text(ids + extensions)
        openssl("req", *new_key, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        signed = ("-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key", "-CAcreateserial", "-extfile", f"{name}.ext")
        openssl("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem", "-days", "30")
    (folder / "chain.pem").write_text((folder / "server.pem").read_text() + (folder / "middle.pem").read_text())
    return folder / "root.pem", folder / "chain.pem", folder / "server.key"


@contextmanager
def tls_before(url: str, context: ssl.SSLContext) -> Iterator[str]:
    """The same over https, one connection at a time."""
    parts = urlsplit(url)
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listening.accept()
            except OSError:
                return
            with (
                contextlib.suppress(OSError),
                context.wrap_socket(plain, server_side=True) as caller,
                socket.create_connection((parts.hostname or "", parts.port or 0)) as behind,
            ):
                behind.sendall(head_of(caller))
                behind.shutdown(socket.SHUT_WR)
                while piece := behind.recv(65_536):
                    caller.sendall(piece)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"https://localhost:{listening.getsockname()[1]}{parts.path}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(20)


def forget_when(data: Path, url: str) -> None:
    """As if the copy had been asked for long ago: two starts within three seconds ask once."""
    note = copy_of(Folders(data), url).with_suffix(".json")
    value = json.loads(note.read_text())
    note.write_text(json.dumps(value | {"asked_at": 0.0}) + "\n")
