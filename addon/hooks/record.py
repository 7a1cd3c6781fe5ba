"""`heliograph record`: keeps what a program asked and was answered, piece by piece, with the times.

After the addons that copy an answer, so that what was stored and journalled is not touched by it.
"""

import time
from dataclasses import dataclass, field

from mitmproxy import http

from addon.calls.answers import answer_now, error_answer
from addon.calls.call import Call
from addon.config import kept_headers
from addon.hooks.proxy import Proxy
from addon.recordings.model import Piece, Question, RecordedCall
from addon.recordings.tape import Taken, question

# A recording is made to be read, so providers are asked for readable answers.
_READABLE = "identity"
_AWS_SIGNED = "AWS4-"  # such a signature may cover the headers
# Lengths and codings of the connection are made anew at each replay.
_NOT_KEPT = frozenset({"content-length"})


@dataclass(slots=True)
class _Take:
    number: int
    asked_at: float  # monotonic: the request was in
    body: bytes = field(repr=False)
    head_at_ms: int = 0
    pieces: list[Piece] = field(default_factory=list)


class Record:
    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self._takes: dict[str, _Take] = {}  # by flow id

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        tape = self.proxy.tape
        if tape is None or not tape.records or flow.response:
            return
        if socket := self.proxy.sockets.pop(flow.id, None):
            what = f"a WebSocket to {socket.asked.start.host}{socket.asked.start.path}"
            if what not in tape.left_out:
                tape.left_out.append(what)
            # 426 sends agents that prefer a WebSocket to plain HTTP at once.
            answer_now(
                flow, error_answer(socket.route.provider, 426, "record_unsupported", f"{what} cannot be recorded")
            )
            flow.request.stream = False
        elif (call := self.proxy.two_way.get(flow.id)) and (what := call.asked.start.path) not in tape.left_out:
            tape.left_out.append(what)

    def request(self, flow: http.HTTPFlow) -> None:
        call, tape = self.proxy.calls.of(flow.id), self.proxy.tape
        if call is None or tape is None or not tape.records or call.sharing.plays:
            return
        self._takes[flow.id] = _Take(tape.begin(), time.monotonic(), flow.request.raw_content or b"")
        headers = flow.request.headers
        if not headers.get("authorization", "").startswith(_AWS_SIGNED):
            headers["accept-encoding"] = _READABLE

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        take, response = self._takes.get(flow.id), flow.response
        if take is None or response is None:
            return
        take.head_at_ms = _ms_since(take.asked_at)
        pass_on = response.stream
        if not callable(pass_on):
            return

        def keep(piece: bytes) -> object:
            if piece:
                take.pieces.append(Piece(_ms_since(take.asked_at), piece))
            return pass_on(piece)

        response.stream = keep  # type: ignore[assignment]

    def response(self, flow: http.HTTPFlow) -> None:
        self._end(flow, None)

    def error(self, flow: http.HTTPFlow) -> None:
        call = self.proxy.calls.of(flow.id)
        is_whole = call is not None and call.copied.finished_at is not None
        is_ours = flow.response is not None and bool(flow.response.raw_content)  # an error answer of our own making
        self._end(
            flow, None if is_whole or is_ours else (flow.error.msg if flow.error else "the connection was closed")
        )

    def _end(self, flow: http.HTTPFlow, cut: str | None) -> None:
        take, call, tape = self._takes.pop(flow.id, None), self.proxy.calls.of(flow.id), self.proxy.tape
        if take is None or call is None or tape is None or flow.response is None:
            return
        response, start = flow.response, call.asked.start
        now_ms = _ms_since(take.asked_at)
        if not take.pieces and response.raw_content:  # an answer of our own: it is not streamed
            take.pieces.append(Piece(now_ms, response.raw_content))
            take.head_at_ms = take.head_at_ms or now_ms
        tape.take(
            Taken(
                number=take.number,
                call=RecordedCall(
                    id=start.request_id,
                    started_at=start.started_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                    question=Question(
                        provider=start.provider_name,
                        method=start.method,
                        target=start.path,
                        body=take.body,
                        content_type=start.content_type or "",
                    ),
                    status=response.status_code,
                    headers=_headers(call, response),
                    head_at_ms=take.head_at_ms,
                    pieces=tuple(take.pieces),
                    ended_at_ms=now_ms,
                    cut=cut,
                ),
                request_encoding=start.content_encoding,
                credentials=_credentials(call),
            )
        )


def question_of(call: Call, body: bytes) -> Question:
    """A live call as recorded ones are kept. `body` as it came."""
    start = call.asked.start
    return question(
        provider=start.provider_name,
        method=start.method,
        target=start.path,
        body=body,
        encoding=start.content_encoding,
        content_type=start.content_type or "",
        credentials=_credentials(call),
    )


def _headers(call: Call, response: http.Response) -> dict[str, str]:
    """Those that are known to hold no secret, and those that tell what the call used."""
    kept = kept_headers.of_answer(response.headers.fields)
    for name in call.attempts.operation.answer_headers:
        if (value := response.headers.get(name)) is not None:
            kept[name.lower()] = value
    return {name: value for name, value in kept.items() if name not in _NOT_KEPT}


def _credentials(call: Call) -> tuple[bytes, ...]:
    """The secrets of the call's headers, which a body must not repeat; of `Bearer KEY` the key."""
    found = [value.rpartition(" ")[2] for value in call.asked.controls.credentials.values()]
    return tuple(value.encode() for value in found if value)


def _ms_since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
