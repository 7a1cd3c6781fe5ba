"""Fake providers for `scripts/agents`: HTTP and WebSocket on one port each. What arrives is kept.

Calls of a language model are answered as `answers` has them. Everything else that agents ask (telemetry, settings, lists
of models) gets 404, but for the accounts that Codex needs before it makes a call on a ChatGPT plan.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from addon.demo.request_body import decoded
from scripts.agent_cases import answers
from scripts.agent_cases.answers import Answer, Body

ACCOUNT: Final = "11111111-2222-4333-8444-555555555555"
NAMES: Final = ("openai", "anthropic", "gemini", "mistral", "groq", "cohere", "bedrock", "ollama")


@dataclass(frozen=True, slots=True)
class Received:
    """A call of a language model that a provider answered."""

    provider: str
    path: str
    headers: dict[str, str] = field(repr=False)  # names in lower case; of a WebSocket: of the upgrade
    body: Body = field(repr=False)
    at: float = field(default_factory=time.monotonic)


class FakeProvider(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, name: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.name = name
        self.calls: list[Received] = []
        self.others: list[str] = []  # method and path of every request that is not a call
        self.refuses_sockets = False
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def keep(self, path: str, headers: dict[str, str], body: Body) -> int:
        """The number of the call, from 1."""
        with self._lock:
            self.calls.append(Received(self.name, path, headers, body))
            return len(self.calls)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hung up is not an event."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeProvider

    def do_GET(self) -> None:
        if self.headers.get("upgrade", "").lower() != "websocket":
            self._other()
        elif self.server.refuses_sockets:
            self._send(Answer((b'{"error": {"message": "no WebSocket here"}}',)), 426)
        else:
            self._serve_socket()

    def do_POST(self) -> None:
        raw = self._body()
        answer_to = ROUTES[self.server.name]
        path = urlsplit(self.path)
        make = answer_to(unquote(path.path), path.query)
        if make is None:
            self._other()
            return
        body = json.loads(decoded(raw, self.headers.get("content-encoding")))
        number = self.server.keep(path.path, self._names(), body)
        self._send(make(number, body))

    do_PUT = do_PATCH = do_DELETE = do_POST

    def _other(self) -> None:
        self.server.others.append(f"{self.command} {self.path}")
        if "/accounts/check" in self.path:
            self._send(Answer((json.dumps(_accounts()).encode(),)))
        else:
            self._send(Answer((b'{"error": {"message": "the fake provider does not have this"}}',)), 404)

    def _names(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0)))
        pieces = []
        while size := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _send(self, answer: Answer, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("content-type", answer.content_type)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        is_one = len(answer.pieces) == 1
        framing = ("content-length", str(len(answer.pieces[0]))) if is_one else ("transfer-encoding", "chunked")
        self.send_header(*framing)
        self.end_headers()
        for piece in answer.pieces:
            self.wfile.write(piece if is_one else b"%x\r\n%b\r\n" % (len(piece), piece))
        if not is_one:
            self.wfile.write(b"0\r\n\r\n")

    def _serve_socket(self) -> None:
        """The Responses API over WebSocket: each `response.create` is a call."""
        self.close_connection = True
        protocol = ServerProtocol(extensions=[ServerPerMessageDeflateFactory()], max_size=None)
        lines = (f"{name}: {value}\r\n" for name, value in self.headers.items())
        protocol.receive_data(f"GET {self.path} HTTP/1.1\r\n{''.join(lines)}\r\n".encode("latin-1"))
        message = b""
        while True:
            for event in protocol.events_received():
                if isinstance(event, Request):
                    protocol.send_response(protocol.accept(event))
                elif isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                    message += event.data
                    if event.fin:
                        self._respond(protocol, json.loads(message))
                        message = b""
            self.wfile.write(b"".join(protocol.data_to_send()))
            if protocol.close_expected() or not (data := self.connection.recv(65_536)):
                return
            protocol.receive_data(data)

    def _respond(self, protocol: ServerProtocol, message: Body) -> None:
        if message.get("type") != "response.create":
            return
        number = self.server.keep(urlsplit(self.path).path, self._names(), message)
        for event in answers.responses_events(number, message):
            protocol.send_text(json.dumps(event).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Silence: the table says what went wrong."""


type Make = Callable[[int, Body], Answer]  # (number of the call, its body)


def _openai(path: str, _query: str) -> Make | None:
    if path == "/v1/chat/completions":
        return answers.openai_chat
    return answers.openai_responses if path in ("/v1/responses", "/backend-api/codex/responses") else None


def _gemini(path: str, query: str) -> Make | None:
    model, _, method = path.rpartition("/")[2].partition(":")
    if method == "generateContent":
        return lambda number, _: answers.gemini_json(number, model)
    if method == "streamGenerateContent":
        return lambda number, body: answers.gemini_stream(number, model, body, as_events="alt=sse" in query)
    return None


def _bedrock(path: str, _query: str) -> Make | None:
    match path.rpartition("/")[2]:
        case "converse":
            return lambda *_: answers.bedrock_converse()
        case "converse-stream":
            return lambda *_: answers.bedrock_converse_stream()
    return None


ROUTES: Final[dict[str, Callable[[str, str], Make | None]]] = {  # (path, query) -> what answers; None: not a call
    "openai": _openai,
    "anthropic": lambda path, _: answers.anthropic_messages if path == "/v1/messages" else None,
    "gemini": _gemini,
    "mistral": lambda path, _: answers.mistral_chat if path == "/v1/chat/completions" else None,
    "groq": lambda path, _: answers.groq_chat if path == "/openai/v1/chat/completions" else None,
    "cohere": lambda path, _: answers.cohere_chat if path == "/v2/chat" else None,
    "bedrock": _bedrock,
    "ollama": lambda path, _: (lambda _, body: answers.ollama_chat(body)) if path == "/api/chat" else None,
}


def _accounts() -> dict[str, Any]:
    """What Codex asks first on a ChatGPT plan."""
    account = {"id": ACCOUNT, "account_id": ACCOUNT, "plan_type": "pro", "structure": "personal"}
    account |= {"workspace_backend_origin": "https://chatgpt.com", "account_routing_override": "NO_CONSTRAINT"}
    return {"accounts": [account], "default_account_id": ACCOUNT}


@contextmanager
def fake_providers() -> Iterator[dict[str, FakeProvider]]:
    """One server for each of NAMES."""
    with ExitStack() as stack:
        providers = {name: stack.enter_context(FakeProvider(name)) for name in NAMES}
        for provider in providers.values():
            threading.Thread(target=provider.serve_forever, daemon=True).start()
            stack.callback(provider.shutdown)
        yield providers
