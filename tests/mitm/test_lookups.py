"""What we look up in place of mitmproxy is what mitmproxy finds."""

from collections.abc import Callable

import pytest
from mitmproxy.http import Headers, Request, Response
from mitmproxy.net.http import http1, url
from mitmproxy.net.http.http1 import read
from mitmproxy.options import Options
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.modes import HttpProxy
from mitmproxy.test import tflow

from addon.mitm import lookups

FIELDS = ((b"Host", b"a.example"), (b"X-Two", b"1"), (b"x-two", b"2"), (b"Odd", b"caf\xe9"), (b"caf\xc3\xa9", b""))


@pytest.fixture(autouse=True)
def mended() -> None:
    lookups.mend()


@pytest.mark.parametrize(
    ("name", "values"),
    [
        *((name, ["a.example"]) for name in ("host", "HOST", b"hosT")),
        ("x-two", ["1", "2"]),
        ("odd", ["caf\udce9"]),
        *((name, [""]) for name in ("café", "café".encode())),
        *((name, []) for name in ("left-out", "", b"")),
    ],
)
def test_a_header_is_found_in_any_case(name: str | bytes, values: list[str]) -> None:
    headers = Headers(FIELDS)
    assert headers.get_all(name) == values
    assert headers.get(name) == (", ".join(values) if values else None)
    assert headers.get(name, "default") == (", ".join(values) if values else "default")
    assert (name in headers) is bool(values)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("New", (*FIELDS, (b"New", b"v\xe9"))),
        ("host", ((b"Host", b"v\xe9"), *FIELDS[1:])),
        ("X-TWO", (FIELDS[0], (b"X-Two", b"v\xe9"), *FIELDS[3:])),
    ],
)
def test_a_header_that_is_set_takes_the_place_of_all_of_its_name(
    name: str, fields: tuple[tuple[bytes, bytes], ...]
) -> None:
    headers = Headers(FIELDS)
    headers[name] = "v\udce9"
    assert headers.fields == fields


def test_headers_that_are_set_one_after_the_other_are_found() -> None:
    headers = Headers(FIELDS)
    for name, value in (("host", "b.example"), ("new", "1"), ("NEW", "2"), ("x-two", "3")):
        headers[name] = value
    assert (headers.get("Host"), headers.get("New"), headers.get_all("x-two")) == ("b.example", "2", ["3"])
    assert headers.fields == ((b"Host", b"b.example"), (b"X-Two", b"3"), *FIELDS[3:], (b"new", b"2"))


@pytest.mark.parametrize("method", ["POST", "GET", "HEAD", "CONNECT", "put"])
@pytest.mark.parametrize("status", [None, 101, 200, 204, 304, 404])
@pytest.mark.parametrize(
    "fields",
    [
        *([("Content-Length", length)] for length in ("0", "7", "007", "+7", "-1", " 7", "7 ", "", "²", "9" * 5000)),
        [("content-length", "7"), ("Content-Length", "7")],
        [("content-length", "7"), ("content-length", "8")],
        [("content-length", "7"), ("transfer-encoding", "chunked")],
        [("transfer-encoding", "gzip")],
        [],
    ],
)
def test_a_body_is_as_long_as_mitmproxy_takes_it_to_be(
    method: str, status: int | None, fields: list[tuple[str, str]]
) -> None:
    headers = Headers([(name.encode(), value.encode()) for name, value in fields])
    request, response = Request.make(method, "http://a.example/"), None
    if status is None:
        request.headers = headers
    else:
        response = Response.make(status)
        response.headers = headers

    def told(find: Callable[..., int | None]) -> int | str | None:
        try:
            return find(request, response)
        except ValueError as error:
            return str(error)

    assert told(http1.expected_http_body_size) == told(read.expected_http_body_size)


@pytest.mark.parametrize("fields", [(), FIELDS, ((b"a", b""), (b"A", b"\xff"))])
def test_headers_are_written_a_line_each(fields: tuple[tuple[bytes, bytes], ...]) -> None:
    assert bytes(Headers(fields)) == b"".join(name + b": " + value + b"\r\n" for name, value in fields)


def test_headers_that_are_replaced_or_added_are_found() -> None:
    headers = Headers(FIELDS)
    assert "new" not in headers
    headers.add("New", "1")
    assert headers["new"] == "1"
    headers.fields = ((b"Host", b"b.example"),)
    assert (headers["host"], headers.get("new")) == ("b.example", None)
    copied = headers.copy()
    copied["host"] = "c.example"
    assert (headers["host"], copied["host"]) == ("b.example", "c.example")


def test_a_copy_of_a_context_has_the_same_connections_and_layers_of_its_own() -> None:
    context = Context(tflow.tclient_conn(), Options())
    HttpProxy(context)  # adds itself
    forked = context.fork()
    assert (forked.client, forked.server, forked.options) == (context.client, context.server, context.options)
    forked.layers.clear()
    assert len(context.layers) == 1


@pytest.mark.parametrize("authority", ["a.example:8080", "a.example", "[::1]:80", "127.0.0.1:1", f"{'a' * 60}.example"])
def test_an_authority_is_taken_apart_the_same_way_each_time(authority: str) -> None:
    found = [url.parse_authority(authority, check=True) for _ in range(2)]
    host, separator, port = authority.rpartition(":")
    has_port = separator and port.isdigit() and not authority.endswith("]")
    assert found == [(host.strip("[]"), int(port)) if has_port else (authority, None)] * 2


@pytest.mark.parametrize("authority", ["", "a b", "a.example:99999", "x" * 300])
def test_what_is_not_an_authority_is_refused_each_time(authority: str) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match=r"^$"):
            url.parse_authority(authority, check=True)
        assert url.parse_authority(authority, check=False) == (authority, None)
