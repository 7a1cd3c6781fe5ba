"""Buckets for tests: moto's S3 server as a process of its own, and a relay before it that fails in the ways that stores do."""

import contextlib
import http.client
import io
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final

import pyarrow.parquet as pq
import pytest

from addon.objects import manifest
from addon.objects.store import Store
from tests.processes import told

CREDENTIALS: Final = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}


@contextlib.contextmanager
def s3_server() -> Iterator[str]:
    """The URL of a running server."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    try:
        yield told(process.stderr, r"http://127\.0\.0\.1:\d+")[0]
    finally:
        process.kill()
        process.wait()


def make_bucket(server: str, name: str) -> str:
    """Makes a bucket, and returns the URL of a lake in it."""
    host = server.removeprefix("http://")
    connection = http.client.HTTPConnection(host)
    connection.request("PUT", f"/{name}")
    assert connection.getresponse().status == 200
    return f"s3://{name}/team"


@contextlib.contextmanager
def served_by(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The URL of a server whose requests this class answers."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        httpd.daemon_threads = True
        Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{httpd.server_address[1]}"
        finally:
            httpd.shutdown()


@dataclass(slots=True)
class Relay:
    """Passes requests on to a store. `fault` gets method and path, and says what is to happen instead."""

    url: str
    fault: Callable[[str, str], str | None] = lambda method, path: None
    delay_s: float = 0.0
    passes_over: frozenset[str] = frozenset()  # names of headers of a PUT, in lower case
    asked: list[tuple[str, str]] = field(default_factory=list)


@contextlib.contextmanager
def relay_to(server: str) -> Iterator[Relay]:
    relay = Relay("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            relay.asked.append((self.command, self.path))
            time.sleep(relay.delay_s)
            fault = relay.fault(self.command, self.path)
            if fault == "reset":
                self.close_connection = True
                self.connection.close()
                return
            if fault == "lie":
                self._answer(200, {"ETag": '"0123456789abcdef0123456789abcdef"'}, b"")
                return
            if fault:
                status, _, code = fault.partition(" ")
                self._answer(int(status), {}, f"<Error><Code>{code}</Code></Error>".encode())
                return
            connection = http.client.HTTPConnection(server.removeprefix("http://"))
            left_out = relay.passes_over if self.command == "PUT" else ()
            headers = {name: each for name, each in self.headers.items() if name.lower() not in left_out}
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            self._answer(answer.status, dict(answer.getheaders()), answer.read())
            connection.close()

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            length = headers.get("Content-Length", str(len(body))) if self.command == "HEAD" else str(len(body))
            for name, value in headers.items():
                if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                    self.send_header(name, value)
            self.send_header("Content-Length", length)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = pass_on

        def log_message(self, *parts: Any) -> None:
            pass

    with served_by(Handler) as relay.url:
        yield relay


def use(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """Requests go to this store."""
    for name, value in (CREDENTIALS | {"AWS_ENDPOINT_URL": endpoint}).items():
        monkeypatch.setenv(name, value)


def stored_ids(store: Store, table: str = "requests") -> Counter[str]:
    """What a reader of the manifests sees: request id -> rows."""
    found: Counter[str] = Counter()
    for each in store.list(f"{manifest.MANIFESTS}/"):
        named = manifest.loaded(store.get(each.path)[0])
        for name in named.files.get(table, {}):
            data, _ = store.get(manifest.object_path(table, named.day, name))
            found.update(pq.read_table(io.BytesIO(data))["request_id"].to_pylist())
    return found
