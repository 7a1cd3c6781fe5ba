"""Calls over a WebSocket: each response is a call of its own, with a row of its own.

What a message means is told by `providers/sockets.py`; here it is acted on. Messages pass as they came. A call is in the
journal before the message that ends it goes on. One that is over a limit is not passed on: the caller gets an error
event in its place, as does one that waits in vain for a slot (`overload.py`). Cache, retries and fallbacks need one request
with one answer, and do not apply.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable

import orjson
from mitmproxy import connection, http
from mitmproxy.net.http import status_codes
from mitmproxy.websocket import WebSocketMessage

from addon.calls.call import Call
from addon.calls.call_life import CallState
from addon.calls.failures import Failure
from addon.calls.open_socket import Socket
from addon.config import controls
from addon.hooks.capture import Capture
from addon.hooks.limits import Limits, Refused
from addon.hooks.overload import Overload
from addon.hooks.proxy import Proxy
from addon.mitm.handlers import inject_message
from addon.providers.fields import parse
from addon.providers.framing.lines import websocket_line
from addon.providers.sockets import Said, Step, said_by, said_in

logger = logging.getLogger(__name__)


class WebSockets:
    def __init__(self, proxy: Proxy, capture: Capture, limits: Limits, overload: Overload) -> None:
        self.proxy, self.capture, self.limits, self.overload = proxy, capture, limits, overload

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        if (socket := self.proxy.sockets.get(flow.id)) is None or flow.response is None:
            return
        if flow.response.status_code != status_codes.SWITCHING:
            del self.proxy.sockets[flow.id]
            return
        flow.response.headers[controls.ID] = socket.id
        if socket.asked.controls.warnings:
            flow.response.headers[controls.WARNING] = "; ".join(socket.asked.controls.warnings)

    def error(self, flow: http.HTTPFlow) -> None:
        self._close(flow.id, Failure.PROVIDER)

    def client_disconnected(self, client: connection.Client) -> None:
        """The end of a socket that mitmproxy gave up without a word: frames that are not WebSocket."""
        for flow_id, socket in list(self.proxy.sockets.items()):
            if socket.caller.id == client.id:
                self._close(flow_id, Failure.PROVIDER)

    def websocket_end(self, flow: http.HTTPFlow) -> None:
        by_caller = flow.websocket is not None and flow.websocket.closed_by_client
        self._close(flow.id, Failure.CALLER if by_caller else Failure.PROVIDER)

    def _close(self, flow_id: str, failure: Failure) -> None:
        if (socket := self.proxy.sockets.pop(flow_id, None)) is None:
            return
        self._seal(socket)
        for call in socket.calls.drop_all():
            self._lose(call, failure)

    def _lose(self, call: Call, failure: Failure) -> None:
        call.upstream.failure = failure
        self.capture.end(call, failure)
        self.proxy.calls.end_call(call)

    def websocket_message(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        if flow.websocket is None:
            return None
        message = flow.websocket.messages[-1]
        del flow.websocket.messages[:-1]  # mitmproxy keeps every message until the socket closes, which may take days
        socket = self.proxy.sockets.get(flow.id)
        if socket is None or message.injected:
            return None
        try:
            said = said_by(socket.protocol, message.content, from_client=message.from_client)
            if said is None:
                return self._read_and_take(flow, socket, message)
            return self._take(flow, socket, message, said)
        except Exception:  # a bug of ours must not cost anybody a message
            logger.exception("heliograph: a message on socket %s was not understood", socket.id)
            return None

    async def _read_and_take(self, flow: http.HTTPFlow, socket: Socket, message: WebSocketMessage) -> None:
        head = await asyncio.to_thread(parse, message.content)
        said = said_in(socket.protocol, head, from_client=message.from_client)
        if (more := self._take(flow, socket, message, said)) is not None:
            await more

    def _take(
        self, flow: http.HTTPFlow, socket: Socket, message: WebSocketMessage, said: Said
    ) -> Awaitable[None] | None:
        content = message.content
        match said.step:
            case Step.ASKS:
                return self._ask(flow, socket, said, message)
            case Step.BEGINS | Step.GOES_ON | Step.ENDS:
                return self._answer(flow, socket, said, message)
            case Step.FAILS:
                self._fail(socket, said, content)
            case Step.ADDS:
                self._add(socket, said, content)
            case Step.SETTINGS:
                socket.take_settings(said, content)
            case Step.INPUT:
                socket.take_input(content)
            case Step.SOUND:
                socket.take_sound(content)
        return None

    # A call begins.

    def _ask(
        self, flow: http.HTTPFlow, socket: Socket, said: Said, message: WebSocketMessage
    ) -> Awaitable[None] | None:
        call = socket.new_call(said, message.timestamp)
        body = socket.request_body(said, message.content)
        kept = self._begin(socket, call, body)
        if self.overload.slots.take(call.id) and kept is None and not self.limits.hold_for(call):
            self._send(socket, call, said)
            return None
        return self._ask_limits(flow, socket, call, said, message, body, kept)

    def _begin(self, socket: Socket, call: Call, body: bytes) -> Awaitable[None] | None:
        self._seal(socket)
        self.proxy.counts.seen += 1
        self.proxy.calls.begin(call, None)
        self.capture.begin(call)
        return self.capture.ask(call, body)

    async def _ask_limits(
        self,
        flow: http.HTTPFlow,
        socket: Socket,
        call: Call,
        said: Said,
        message: WebSocketMessage,
        body: bytes,
        kept: Awaitable[None] | None,
    ) -> None:
        refused = await self.overload.wait_for_slot(call) or await self._admit(call, body, kept)
        if refused is None and self.proxy.sockets.get(flow.id) is not socket:
            self._lose(call, Failure.CALLER)  # the socket was closed meanwhile
            return
        if refused is None:
            self._send(socket, call, said)
            return
        event = _error_event(socket, refused, said)
        message.drop()
        call.move_to(CallState.ANSWERING)
        call.answer.status = refused.status
        self.capture.keep(call, websocket_line(event))
        self._end(call)
        inject_message(flow, event, to_client=True)

    async def _admit(self, call: Call, body: bytes, kept: Awaitable[None] | None) -> Refused | None:
        if kept is not None:
            await kept
        return await self.limits.admit(call, body) if self.limits.hold_for(call) else None

    @staticmethod
    def _send(socket: Socket, call: Call, said: Said) -> None:
        call.move_to(CallState.SENDING)
        call.upstream.sent_at = time.time()
        socket.calls.ask(call, said)

    # Its answer comes.

    def _answer(
        self, flow: http.HTTPFlow, socket: Socket, said: Said, message: WebSocketMessage
    ) -> Awaitable[None] | None:
        if call := socket.calls.of(said):
            self._part(socket, call, said, message.content)
            return None
        if said.step is Step.GOES_ON:
            return None  # of a response that we know nothing of
        call = socket.new_call(said, message.timestamp)
        body = socket.request_body(said, None)
        kept = self._begin(socket, call, body)
        call.move_to(CallState.SENDING)
        socket.calls.begin(call, said)
        self.overload.slots.take_anyway(call.id)
        if kept is None and not self.limits.hold_for(call):
            self._part(socket, call, said, message.content)
            return None
        return self._count_unasked(flow, socket, call, said, message.content, body, kept)

    async def _count_unasked(
        self,
        flow: http.HTTPFlow,
        socket: Socket,
        call: Call,
        said: Said,
        content: bytes,
        body: bytes,
        kept: Awaitable[None] | None,
    ) -> None:
        """A response that the provider began by itself, as it does when somebody has spoken: it counts as every call does;
        over a limit it can no longer be refused, only stopped."""
        if refused := await self._admit(call, body, kept):
            call.attempts.made = 1
            cancel = socket.protocol.cancel_event
            if cancel and said.name is None and said.key and said.step is Step.BEGINS:
                inject_message(flow, orjson.dumps(cancel(said.key)), to_client=False)
                inject_message(flow, _error_event(socket, refused, said), to_client=True)
        self._part(socket, call, said, content)

    def _part(self, socket: Socket, call: Call, said: Said, content: bytes) -> None:
        self._keep(call, content)
        if said.brings_words and call.answer.first_byte_at is None:
            call.answer.first_byte_at = time.time()
        if said.step is Step.ENDS:
            socket.calls.end(said)
            self._end(call, final=not said.more_may_come)
            socket.ended = call if said.more_may_come else None

    def _fail(self, socket: Socket, said: Said, content: bytes) -> None:
        if call := socket.calls.fail(said):
            self._keep(call, content)
            self._end(call)

    def _add(self, socket: Socket, said: Said, content: bytes) -> None:
        if call := socket.calls.of(said) or socket.ended:
            self._keep(call, content)
            self._seal(socket)

    def _seal(self, socket: Socket) -> None:
        """Nothing more is told of the call that ended last."""
        if socket.ended:
            self.capture.end(socket.ended, None)
            socket.ended = None

    def _keep(self, call: Call, content: bytes) -> None:
        if call.answer.status is None:
            call.move_to(CallState.ANSWERING)
            call.answer.status = status_codes.SWITCHING
        self.capture.keep(call, websocket_line(content))

    def _end(self, call: Call, final: bool = True) -> None:
        self.capture.end(call, None, final)
        self.proxy.calls.end_call(call)


def _error_event(socket: Socket, refused: Refused, said: Said) -> bytes:
    return orjson.dumps(socket.protocol.error_event(refused.status, refused.kind, refused.message, said))
