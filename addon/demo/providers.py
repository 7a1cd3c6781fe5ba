"""Fake providers at the far end of a real socket, for the demo, the tests and the bench.

    with FakeProviders() as provider:
        provider.script(Behaviour(status=429, headers=(("retry-after", "1"),)), times=2)
        ...  # programs call provider.url
        assert provider.hits == 3

One server speaks OpenAI and Anthropic; the end of the path decides, so any prefix works. `python -m addon.demo.providers
--port N` runs it by itself.
"""

import argparse
import asyncio
import json
import signal
import socket
import ssl
import struct
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from http import HTTPStatus
from typing import Final, Self

import zstandard

from addon.demo import anthropic_answers, openai_answers
from addon.demo.answer import Answer, BadRequest, Json, Length
from addon.demo.behaviour import HEADER, Behaviour, misbehave, parse_behaviour
from addon.demo.request_body import dechunked, decoded

USUAL: Final = Behaviour()
REMEMBERED_BODY_BYTES: Final = 65_536  # answers to larger requests are made anew: the cache must not eat the memory


@dataclass(slots=True, kw_only=True)
class Received:
    """One request as it came, and what became of the peer."""

    method: str
    path: str  # with its query
    headers: list[tuple[str, str]]  # order and case as sent
    body: bytes
    at: float  # time.monotonic() when the request was complete
    cancelled: bool = False  # the peer went away before the answer's end

    def header(self, name: str) -> str | None:
        """The first header of that name, in any case."""
        return next((value for key, value in self.headers if key.lower() == name), None)


@dataclass(frozen=True, slots=True)
class Route:
    """What the end of a path selects: the function that answers, and the API whose error bodies it uses."""

    path_end: str
    answer: Callable[[Json, Length], Answer]  # (request body, wanted length) -> answer
    error_body: Callable[[int, str], bytes] = openai_answers.error_body
    error_event: bytes = openai_answers.CHAT_ERROR_EVENT


ROUTES: Final = (  # the first whose end fits
    Route("/chat/completions", openai_answers.chat_completions),
    Route("/completions", openai_answers.completions),
    Route("/responses", openai_answers.responses, error_event=openai_answers.RESPONSES_ERROR_EVENT),
    Route("/embeddings", openai_answers.embeddings),
    Route("/messages/count_tokens", anthropic_answers.count_tokens, anthropic_answers.error_body),
    Route("/messages", anthropic_answers.messages, anthropic_answers.error_body, anthropic_answers.ERROR_EVENT),
)


@lru_cache(maxsize=256)
def usual_answer(method: str, path: str, body: bytes, is_anthropic: bool, words: Length) -> Answer:
    """The answer of a provider in good health. `is_anthropic` decides the dialect where the path does not."""
    path = path.partition("?")[0]
    if method == "GET" and path.endswith("/models"):
        return anthropic_answers.models() if is_anthropic else openai_answers.models()
    route = next((route for route in ROUTES if method == "POST" and path.endswith(route.path_end)), None)
    if route is None:
        error_body = anthropic_answers.error_body if is_anthropic else openai_answers.error_body
        return Answer(status=404, pieces=(error_body(404, f"Unknown request URL: {method} {path}"),))
    try:
        return route.answer(json.loads(body), words)
    except (BadRequest, ValueError, TypeError, AttributeError, KeyError) as error:
        # The last three: a body of the right fields with values of the wrong kind.
        return Answer(status=400, pieces=(route.error_body(400, f"cannot read the request: {error}"),))


def answer_to(request: Received, behaviour: Behaviour) -> Answer:
    """What `request` gets, before any delay or cut."""
    path = request.path.partition("?")[0]
    is_anthropic = request.header("anthropic-version") is not None
    usual = Route("", openai_answers.chat_completions)
    if is_anthropic:
        usual = Route("", anthropic_answers.messages, anthropic_answers.error_body, anthropic_answers.ERROR_EVENT)
    route = next((route for route in ROUTES if path.endswith(route.path_end)), usual)
    if behaviour.status is not None and behaviour.status >= 400:
        message = f"The fake provider was told to answer {behaviour.status}."
        answer = Answer(status=behaviour.status, pieces=(route.error_body(behaviour.status, message),))
    else:
        try:
            body = decoded(request.body, request.header("content-encoding"))
        except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
            return Answer(status=400, pieces=(route.error_body(400, f"cannot decompress the request: {error}"),))
        make = usual_answer if len(body) <= REMEMBERED_BODY_BYTES else usual_answer.__wrapped__
        answer = make(request.method, request.path, body, is_anthropic, behaviour.say or behaviour.words)
        if behaviour.status is not None:
            answer = replace(answer, status=behaviour.status)
    return answer if behaviour == USUAL else misbehave(answer, behaviour, request.body, route.error_event)


class FakeProviders:
    """A running server. `requests` and `script` may be used from any thread."""

    def __init__(
        self,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        keep_requests: bool = True,
        usual: Behaviour = USUAL,
        on_answer: Callable[[Answer], None] = lambda answer: None,
    ) -> None:
        """`keep_requests=False` only counts them: for runs of many thousands. `usual`: how calls are answered that neither
        a script nor a header speaks of. `on_answer` is told of each answer that begins, on the server's thread."""
        self.on_answer = on_answer
        self.requests: list[Received] = []
        self.hits = 0
        self._wanted_port = port
        self._tls = tls
        self._keep_requests = keep_requests
        self._usual = usual
        self._script: deque[Behaviour] = deque()
        self._news = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="fake-providers", daemon=True)

    def __enter__(self) -> Self:
        listening = self._loop.create_server(lambda: Connection(self), "127.0.0.1", self._wanted_port, ssl=self._tls)
        try:
            self._server = self._loop.run_until_complete(listening)
        except BaseException:
            self._loop.close()
            raise
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._loop.call_soon_threadsafe(self._stop)
        self._thread.join()
        self._loop.close()

    @property
    def port(self) -> int:
        if self._server is None:
            raise RuntimeError("FakeProviders is not running: use it in a with statement")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def script(self, behaviour: Behaviour, times: int = 1) -> None:
        """The next `times` requests that carry no `x-fake` header are answered so. Scripts queue up."""
        self._script.extend([behaviour] * times)

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = 60.0) -> bool:
        """Wait until `condition` holds, looked at whenever a request comes or a peer goes. False: it never did."""
        with self._news:
            return self._news.wait_for(condition, timeout_s)

    def answer_now(self) -> None:
        """Answer the requests whose delay is not over, and send the rest of what comes slowly: a test says itself until when a
        call is under way."""
        self._loop.call_soon_threadsafe(self._end_delays)

    def _end_delays(self) -> None:
        for connection in list(self._connections):
            connection.end_delay()

    def receive(self, request: Received) -> Behaviour:
        """Note a request; say how to answer it. ValueError for an `x-fake` that cannot be read."""
        with self._news:
            self.hits += 1
            if self._keep_requests:
                self.requests.append(request)
            self._news.notify_all()
        wish = request.header(HEADER)
        if wish is not None:
            return parse_behaviour(wish)
        return self._script.popleft() if self._script else self._usual

    def note_cancelled(self, request: Received) -> None:
        with self._news:
            request.cancelled = True
            self._news.notify_all()

    def opened(self, connection: "Connection") -> None:
        self._connections.add(connection)

    def closed(self, connection: "Connection") -> None:
        self._connections.discard(connection)

    def _stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for connection in list(self._connections):
            connection.hang_up(reset=True)
        # One turn later the aborted transports have told their protocols and closed their sockets.
        self._loop.call_later(0.01, self._loop.stop)


class Connection(asyncio.Protocol):
    """HTTP/1.1 by hand: one answer at a time, kept alive. asyncio's streams would double the cost of a call."""

    def __init__(self, provider: FakeProviders) -> None:
        self._provider = provider
        self._loop = asyncio.get_running_loop()
        self._input = bytearray()
        self._request: Received | None = None  # the one that is being answered
        self._behaviour = USUAL
        self._left: deque[bytes] = deque()  # pieces to send
        self._is_chunked = False
        self._timer: asyncio.Handle | None = None
        self._is_delayed = False  # the timer is for the head
        self._is_paused = False
        self._asked_to_continue = False
        self._is_last = False  # the caller wants the connection closed after this answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._provider.opened(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._provider.closed(self)
        if self._timer:
            self._timer.cancel()
        if self._request:
            self._provider.note_cancelled(self._request)
            self._request = None

    def data_received(self, data: bytes) -> None:
        self._input += data
        self._read_next()

    def pause_writing(self) -> None:
        self._is_paused = True

    def resume_writing(self) -> None:
        self._is_paused = False
        if self._request and not self._timer:
            self._schedule_piece()

    def hang_up(self, reset: bool) -> None:
        if reset:
            sock: socket.socket = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        else:
            self._transport.close()

    def _read_next(self) -> None:
        """Start on the next request if it is complete and no answer is under way."""
        if self._request or self._transport.is_closing():
            return
        head_end = self._input.find(b"\r\n\r\n")
        if head_end < 0:
            return
        first, *lines = self._input[:head_end].decode("latin-1").split("\r\n")
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        known = {name.lower(): value for name, value in headers}
        body_start = head_end + 4
        if known.get("expect", "").lower() == "100-continue" and not self._asked_to_continue:
            self._asked_to_continue = True
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if known.get("transfer-encoding", "").lower() == "chunked":
            whole = dechunked(self._input, body_start)
            if whole is None:
                return
            body, end = whole
        else:
            end = body_start + int(known.get("content-length", "0"))
            if len(self._input) < end:
                return
            body = bytes(self._input[body_start:end])
        del self._input[:end]
        self._asked_to_continue = False
        self._is_last = known.get("connection", "").lower() == "close"
        method, path, _version = first.split(" ")
        self._begin(Received(method=method, path=path, headers=headers, body=body, at=time.monotonic()))

    def _begin(self, request: Received) -> None:
        self._request = request
        try:
            self._behaviour = self._provider.receive(request)
        except ValueError as error:
            self._behaviour = Behaviour(status=400, body=str(error).encode())
        if self._behaviour.delay_s:
            self._timer, self._is_delayed = self._loop.call_later(self._behaviour.delay_s, self._send_head), True
        else:
            self._send_head()

    def end_delay(self) -> None:
        """Of the head, or of the pieces that are left."""
        if self._request is None or self._timer is None:
            return
        self._timer.cancel()
        if self._is_delayed:
            self._send_head()
        else:
            self._behaviour = replace(self._behaviour, chunk_delay_s=0.0)
            self._send_piece()

    def _send_head(self) -> None:
        self._timer, self._is_delayed = None, False
        assert self._request is not None
        if self._behaviour.no_answer:
            self._finish(hang_up=True)
            return
        answer = answer_to(self._request, self._behaviour)
        self._provider.on_answer(answer)
        self._is_chunked = answer.is_stream
        size = sum(map(len, answer.pieces))
        framing = "transfer-encoding: chunked" if self._is_chunked else f"content-length: {size}"
        phrase = HTTPStatus(answer.status).phrase if answer.status in HTTPStatus else "Overloaded"
        lines = [
            f"HTTP/1.1 {answer.status} {phrase}",
            f"content-type: {answer.content_type}",
            framing,
            *(f"{name}: {value}" for name, value in answer.headers),
        ]
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        if self._behaviour == USUAL and not self._is_chunked:
            self._transport.write(head + b"".join(answer.pieces))
            self._finish(hang_up=False)
            return
        self._transport.write(head)
        self._left = deque(answer.pieces[: self._behaviour.cut_after])
        self._schedule_piece()

    def _schedule_piece(self) -> None:
        """One piece per turn of the loop, so that streams interleave and a peer that left is noticed."""
        if self._is_paused:
            return  # resume_writing comes back here
        if self._left and self._behaviour.chunk_delay_s:
            self._timer = self._loop.call_later(self._behaviour.chunk_delay_s, self._send_piece)
        else:
            self._timer = self._loop.call_soon(self._send_piece)

    def _send_piece(self) -> None:
        self._timer = None
        if self._left:
            piece = self._left.popleft()
            self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if self._is_chunked else piece)
            self._schedule_piece()
            return
        is_cut = self._behaviour.cut_after is not None
        if self._is_chunked and not is_cut:
            self._transport.write(b"0\r\n\r\n")
        self._finish(hang_up=is_cut)

    def _finish(self, hang_up: bool) -> None:
        self._request = None
        if hang_up or self._is_last:
            self.hang_up(reset=hang_up and self._behaviour.reset)
        elif self._input:
            self._loop.call_soon(self._read_next)


def main() -> None:
    """Run until SIGINT or SIGTERM; the address goes to stdout."""
    parser = argparse.ArgumentParser(prog="python -m addon.demo.providers", description="Fake OpenAI and Anthropic.")
    parser.add_argument("--port", type=int, default=0, help="0 (default): any free one")
    parser.add_argument("--usual", default="", help="how calls are answered without an x-fake header, in its words")
    arguments = parser.parse_args()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with FakeProviders(arguments.port, keep_requests=False, usual=parse_behaviour(arguments.usual)) as provider:
        print(provider.url, flush=True)
        stop.wait()


if __name__ == "__main__":
    main()
