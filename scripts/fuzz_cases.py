"""What `scripts/fuzz` sends: bytes for the proxy, and the bytes that the provider answers. Nothing here does I/O.

A case is bytes only, so that a find can be written to a file and sent again. Hosts are those whose upstream is the
fake provider, or names under `.invalid`: nothing leaves this machine.
"""

import base64
import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

import brotli
import zstandard
from h2.config import H2Configuration
from h2.connection import H2Connection
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from addon.config.controls import HEADERS

Way = Literal["plain", "tls", "h2"]  # to the proxy itself; HTTP/1 or HTTP/2 over TLS through CONNECT


@dataclass(frozen=True, slots=True)
class Target:
    """A provider as callers name it; its upstream is one fake provider."""

    name: str
    host: str
    path: str


HTTP1_WAYS: Final[tuple[Way, ...]] = ("plain", "tls")

TARGETS: Final = (
    Target("groq", "api.groq.com", "/openai/v1/chat/completions"),
    Target("mistral", "api.mistral.ai", "/v1/chat/completions"),
    Target("deepseek", "api.deepseek.com", "/v1/chat/completions"),
    Target("anthropic", "api.anthropic.com", "/v1/messages"),
)


@dataclass(frozen=True, slots=True)
class Case:
    """One connection: `pieces` are sent one after the other; the provider answers each request with `answer`."""

    kind: str
    way: Way
    target: int  # index of TARGETS
    pieces: tuple[bytes, ...]
    answer: bytes

    def to_json(self) -> dict[str, Any]:
        pieces = [base64.b64encode(piece).decode() for piece in self.pieces]
        answer = base64.b64encode(self.answer).decode()
        return {"kind": self.kind, "way": self.way, "target": self.target, "pieces": pieces, "answer": answer}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Self:
        pieces = tuple(base64.b64decode(piece) for piece in told["pieces"])
        return cls(told["kind"], told["way"], told["target"], pieces, base64.b64decode(told["answer"]))


# Values

CONTROL_NAMES: Final = tuple(
    header.spelled.replace("<Name>", "Fuzz").encode() for header in HEADERS if header.direction == "request"
)
CONTROL_VALUES: Final = (
    *(b"true", b"false", b"", b"0", b"-1", b"1e999", b"9" * 400, b"\xff\xfe", b"a" * 9000, b"[" * 5000, b"*" * 3000),
    *(b"max-age=60", b"max-age=" + b"9" * 300, b"no-store, " * 500, b"1;w=60", b"1;w=60;u=cents;s=user", b";;;" * 900),
    *(b"connect=1;first-byte=1", b"total=0.2", b"messages,metadata.id", b"a." * 1000, b"Bearer sk-fuzz"),
    *(b"http://127.0.0.1:1", b"http://[::ffff:127.0.0.1]:1", b"https://name.invalid", b"http://" + b"a" * 70, b"://"),
    *(b'[{"target-url":"https://api.groq.com","codes":[500]}]', b'[{"target-url":"x"}]', b"{" * 2000, b"[1,2"),
)
ENDPOINTS: Final = (
    *(b"/healthz", b"/metrics", b"/openapi.json", b"/", b"/v1/request/query", b"/v1/helicone-sql/execute"),
    *(b"/v1/request/00000000-0000-7000-8000-000000000000/feedback", b"/v1/request/x/score", b"/oai/v1/log"),
)
METHODS: Final = (b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"TRACE", b"PRI", b"post", b"CONNECT", b"P" * 300, b"")
CONTENT_TYPES: Final = (b"application/json", b"text/event-stream", b"text/plain", b"application/octet-stream", b"")
COMPRESSORS: Final[dict[bytes, Callable[[bytes], bytes]]] = {
    b"gzip": lambda data: gzip.compress(data, mtime=0),
    b"deflate": lambda data: zlib.compress(data),
    b"br": lambda data: brotli.compress(data, quality=2),
    b"zstd": zstandard.ZstdCompressor().compress,
}

json_values: SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
any_bytes = st.binary(max_size=300)


def one_of(values: tuple[bytes, ...]) -> SearchStrategy[bytes]:
    return st.sampled_from(values)


def chosen[T](strategy: SearchStrategy[T], *usual: T) -> SearchStrategy[T]:
    """Usual values more often than those of `strategy`, so that most of a case is valid."""
    return st.sampled_from(usual * 3) | strategy


@st.composite
def json_bodies(draw: st.DrawFn) -> bytes:
    """A chat request or answer with one member or several replaced, sometimes not JSON."""
    body: dict[str, Any] = draw(st.sampled_from((REQUEST, REQUEST | {"stream": True}, ANSWER)))
    changed = body | draw(st.dictionaries(st.sampled_from([*body, "usage", "user", "metadata", "tools"]), json_values))
    text = json.dumps(changed).encode()
    return draw(chosen(any_bytes | st.just(b"[" * 100_000) | st.just(b"\xef\xbb\xbf" + text), text))


@st.composite
def compressed(draw: st.DrawFn, body: bytes) -> tuple[bytes, bytes]:
    """(content-encoding, bytes): in order, cut anywhere, with a byte changed, or of another coding than stated."""
    stated = draw(st.sampled_from(tuple(COMPRESSORS)))
    data = COMPRESSORS[draw(chosen(st.sampled_from(tuple(COMPRESSORS)), stated))](body * draw(chosen(st.just(2000), 1)))
    how = draw(st.sampled_from(("whole", "cut", "changed", "twice")))
    at = draw(st.integers(0, max(len(data) - 1, 0)))
    if how == "cut":
        data = data[:at]
    elif how == "changed" and data:
        data = data[:at] + bytes([data[at] ^ draw(st.integers(1, 255))]) + data[at + 1 :]
    elif how == "twice":
        data = data * 2
    return stated, data


REQUEST: Final[dict[str, Any]] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Where is it?"}]}
ANSWER: Final[dict[str, Any]] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4o-mini",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Here."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12},
}

# HTTP/1


def framed(start: bytes, headers: list[tuple[bytes, bytes]], body: bytes) -> bytes:
    return start + b"\r\n" + b"".join(b"%b: %b\r\n" % header for header in headers) + b"\r\n" + body


def chunked(body: bytes, size: int) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@st.composite
def provider_answers(draw: st.DrawFn) -> bytes:
    """What the provider sends: JSON, events or noise; whole, cut or compressed; framed well or badly."""
    body = draw(json_bodies())
    headers = [(b"content-type", draw(one_of(CONTENT_TYPES)))]
    if draw(st.booleans()):
        body = b"".join(b"data: %b\n\n" % body for _ in range(draw(st.integers(1, 5)))) + b"data: [DONE]\n\n"
        headers = [(b"content-type", b"text/event-stream")]
    if draw(st.booleans()):
        coding, body = draw(compressed(body))
        headers.append((b"content-encoding", coding))
    headers += draw(
        st.lists(st.tuples(one_of((b"retry-after", b"x-odd", b"date")), any_bytes.map(one_line)), max_size=2)
    )
    framing = draw(st.sampled_from(("length", "chunked", "none", "short", "long", "bad chunks")))
    if framing in ("length", "short", "long"):
        wrong = {"length": 0, "short": -3, "long": 1000}[framing]
        headers.append((b"content-length", b"%d" % max(len(body) + wrong, 0)))
    elif framing != "none":
        headers.append((b"transfer-encoding", b"chunked"))
        body = chunked(body, draw(st.sampled_from((1, 7, 4096)))) if framing == "chunked" else b"zz\r\n" + body
    status = draw(chosen(st.sampled_from((100, 204, 304, 400, 429, 500, 503, 599, 999)), 200))
    return draw(chosen(any_bytes, framed(b"HTTP/1.1 %d Odd" % status, headers, body)))


def one_line(value: bytes) -> bytes:
    return value.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"")


controls = st.lists(
    st.tuples(one_of(CONTROL_NAMES), one_of(CONTROL_VALUES) | any_bytes.map(one_line)), min_size=1, max_size=5
)


@st.composite
def calls(draw: st.DrawFn) -> Case:
    """A call that is valid HTTP: every control with odd values, odd bodies, odd answers."""
    number, way = draw(st.integers(0, len(TARGETS) - 1)), draw(st.sampled_from(HTTP1_WAYS))
    target, body = TARGETS[number], draw(json_bodies())
    path = target.path.encode() if way == "tls" else f"/{target.name}{target.path}".encode()
    headers = [(b"host", target.host.encode() if way == "tls" else b"127.0.0.1"), (b"authorization", b"Bearer sk-fuzz")]
    if draw(st.booleans()):
        coding, body = draw(compressed(body))
        headers.append((b"content-encoding", coding))
    headers += [*draw(controls), (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    request = framed(b"POST %b HTTP/1.1" % path, headers, body)
    cut = draw(chosen(st.integers(0, len(request)), len(request)))
    return Case("call", way, number, (request[:cut],), draw(provider_answers()))


@st.composite
def raw_http1(draw: st.DrawFn) -> Case:
    """A request whose parts are each in order or odd: method, target, version, framing, and how many headers."""
    number = draw(st.integers(0, len(TARGETS) - 1))
    target = TARGETS[number]
    path = f"/{target.name}{target.path}".encode()
    absolute = f"http://{target.host}{target.path}".encode()
    odd = (
        b"*",
        b"//" + path,
        path.replace(b"c", b"%63"),
        b"/%zz",
        b"/" + b"a" * 70_000,
        b"/\xff",
        absolute,
        b"http://",
        b"",
    )
    goal = draw(chosen(one_of(odd) | one_of(ENDPOINTS) | any_bytes.map(one_line), path))
    version = draw(chosen(one_of((b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/9", b"", b"HTTP/1.1 x")), b"HTTP/1.1"))
    host = draw(chosen(one_of((b"", b"name.invalid", b"[::1", b"a" * 300, b"127.0.0.1:99999")), b"127.0.0.1"))
    headers = [(b"host", host), *draw(st.lists(st.tuples(any_bytes, any_bytes), max_size=2) | controls)]
    headers += draw(st.sampled_from(([], [], [(b"x-many", b"1")] * 3000, [(b"x-long", b"a" * 300_000)])))
    body = draw(json_bodies())
    framings: tuple[list[tuple[bytes, bytes]], ...] = (
        [(b"content-length", b"%d" % len(body))],
        [(b"content-length", b"%d" % len(body)), (b"content-length", b"1")],
        [(b"content-length", b"-1")],
        [(b"content-length", b"9" * 30)],
        [(b"transfer-encoding", b"chunked")],
        [(b"transfer-encoding", b"chunked"), (b"content-length", b"3")],
        [(b"transfer-encoding", b"xchunked, identity")],
        [],
    )
    headers += draw(st.sampled_from(framings))
    start = b" ".join((draw(chosen(one_of(METHODS), b"POST")), goal, version))
    request = framed(start, headers, draw(st.sampled_from((body, chunked(body, 9), b"ffffffffffff\r\n" + body))))
    cuts = sorted(draw(st.lists(st.integers(0, len(request)), max_size=3)))
    pieces = tuple(request[a:b] for a, b in zip([0, *cuts], [*cuts, len(request)], strict=True))
    return Case("http1", draw(st.sampled_from(HTTP1_WAYS)), number, pieces, draw(provider_answers()))


# HTTP/2


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """RFC 9113 section 4.1."""
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


@st.composite
def http2(draw: st.DrawFn) -> Case:
    """A preface, then requests with odd pseudo-headers by h2, and frames of any kind, flag, stream and payload."""
    number = draw(st.integers(0, len(TARGETS) - 1))
    target = TARGETS[number]
    lenient = H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False, header_encoding=None)
    connection = H2Connection(lenient)
    connection.initiate_connection()
    pieces = [connection.data_to_send()]
    for stream in range(1, 2 * draw(st.integers(1, 6)), 2):
        body = draw(json_bodies())[: min(16_000, connection.outbound_flow_control_window)]
        headers = [
            (b":method", draw(chosen(one_of(METHODS), b"POST"))),
            (
                b":path",
                draw(chosen(any_bytes | one_of((b"*", b"//x", b"/\r\nx: y", b"/ HTTP/1.1")), target.path.encode())),
            ),
            (b":scheme", draw(chosen(one_of((b"http", b"", b"ftp")), b"https"))),
            (b":authority", draw(chosen(one_of((b"name.invalid", b"", b"a" * 300)), target.host.encode()))),
            *draw(st.just([]) | controls | st.just([(b"x-many", b"1")] * 2000)),
        ]
        missing = draw(chosen(st.integers(0, 3), None))
        headers = [(name.lower(), value) for at, (name, value) in enumerate(headers) if at != missing]
        connection.send_headers(stream, draw(chosen(st.just(headers[::-1]), headers)))
        connection.send_data(stream, body, end_stream=draw(chosen(st.just(False), True)))
        pieces.append(connection.data_to_send())
        odd = st.builds(
            frame, st.integers(0, 12), st.integers(0, 255), st.integers(0, 2**31 - 1) | st.just(stream), any_bytes
        )
        pieces += draw(st.just([]) | st.lists(odd, max_size=4))
    pieces += draw(st.sampled_from(([], [frame(9, 0, 1, b"a" * 16_000)] * 30, [frame(3, 0, 1, b"\0\0\0\x08")] * 200)))
    return Case("http2", "h2", number, tuple(pieces), draw(provider_answers()))


# WebSocket

WEBSOCKET_KEY: Final = b"dGhlIHNhbXBsZSBub25jZQ=="  # and its answer: RFC 6455 section 1.3
WEBSOCKET_ANSWER: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
    b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


def websocket_frame(opcode: int, payload: bytes, masked: bool) -> bytes:
    length = bytes([len(payload)]) if len(payload) < 126 else b"\x7e" + len(payload).to_bytes(2)
    if not masked:
        return bytes([0x80 | opcode]) + length + payload
    return bytes([0x80 | opcode, length[0] | 0x80]) + length[1:] + b"\0\0\0\0" + payload


@st.composite
def websockets(draw: st.DrawFn) -> Case:
    """An upgrade, in order or not, and frames in both directions."""
    number, way = draw(st.integers(0, len(TARGETS) - 1)), draw(st.sampled_from(HTTP1_WAYS))
    target = TARGETS[number]
    path = b"/v1/realtime?model=gpt-4o-realtime-preview"
    start = b"GET %b HTTP/1.1" % (path if way == "tls" else f"/{target.name}".encode() + path)
    headers = [
        (b"host", target.host.encode() if way == "tls" else b"127.0.0.1"),
        (b"upgrade", draw(chosen(any_bytes.map(one_line), b"websocket"))),
        (b"connection", draw(chosen(one_of((b"close", b"")), b"Upgrade"))),
        (b"sec-websocket-version", draw(chosen(one_of((b"12", b"x")), b"13"))),
        (b"sec-websocket-key", draw(chosen(any_bytes.map(one_line), WEBSOCKET_KEY))),
    ]
    frames = st.lists(
        st.tuples(st.integers(0, 15), json_bodies().map(lambda body: body[:60_000]), st.booleans()), max_size=4
    ).map(lambda made: [websocket_frame(*one) for one in made])
    answer = WEBSOCKET_ANSWER + b"".join(draw(frames))
    return Case(
        "websocket", way, number, (framed(start, headers, b""), *draw(frames)), draw(chosen(provider_answers(), answer))
    )


KINDS: Final[dict[str, SearchStrategy[Case]]] = {
    "call": calls(),
    "http1": raw_http1(),
    "http2": http2(),
    "websocket": websockets(),
}
