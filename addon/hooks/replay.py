"""`heliograph replay`: calls are answered from a recording, piece by piece, at the times of the recording.

Nothing goes to a provider, unless missing calls are to be added (`record.py`). A replayed call is like a hit: it costs
nothing, and its row names the recorded call.
"""

import asyncio
import logging
from collections.abc import Awaitable
from datetime import datetime
from typing import TYPE_CHECKING, Final

from mitmproxy import http
from mitmproxy.proxy import server_hooks

from addon.calls.answers import answer_now, error_answer
from addon.calls.call import Call
from addon.calls.failures import Failure
from addon.calls.marks import ENDPOINT
from addon.calls.parts import Reference
from addon.hooks.proxy import Proxy
from addon.hooks.record import question_of
from addon.hooks.request_body import read_body
from addon.hooks.services import Services
from addon.mitm.handlers import deliver, drain
from addon.recordings.model import RecordedCall
from addon.recordings.tape import Unmatched

if TYPE_CHECKING:
    from addon.mitm.stream import CallStream

logger = logging.getLogger(__name__)

UNMATCHED: Final = "replay_unmatched"
_OFFLINE: Final = "replay touches no network"


class Replay:
    def __init__(self, proxy: Proxy, services: Services) -> None:
        self.proxy, self.services = proxy, services

    # What is not a call: there is no answer to it, and it goes nowhere.

    def http_connect(self, flow: http.HTTPFlow) -> None:
        host, port = flow.request.host.lower(), flow.request.port
        if self._is_offline and not flow.response and not self.services.opens(host, port):
            flow.response = error_answer(None, 502, UNMATCHED, self._left_out(f"{host}:{port}"))

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if not self._is_offline or flow.response or ENDPOINT in flow.metadata or self.proxy.calls.of(flow.id):
            return
        request = flow.request
        what = f"{request.method} {request.host}{request.path.partition('?')[0]}"
        request.stream = False
        # 426 sends agents that prefer a WebSocket to plain HTTP at once.
        is_socket = self.proxy.sockets.pop(flow.id, None) is not None
        answer_now(flow, error_answer(None, 426 if is_socket else 404, UNMATCHED, self._left_out(what)))

    def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        """Whatever else wants to connect: only our own endpoints are reached."""
        if self._is_offline and data.server.address != self.services.api.address:
            data.server.error = _OFFLINE

    @property
    def _is_offline(self) -> bool:
        return self.proxy.tape is not None and self.proxy.tape.plays and not self.proxy.tape.records

    def _left_out(self, what: str) -> str:
        assert self.proxy.tape
        if what not in self.proxy.tape.left_out:
            self.proxy.tape.left_out.append(what)
        return f"{what}: not a call of a model, so the recording has no answer for it; {_OFFLINE}"

    # Calls.

    def request(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        call = self.proxy.calls.of(flow.id)
        if call is None or flow.response or self.proxy.tape is None or not self.proxy.tape.plays:
            return None
        return self._answer(flow, call)

    async def _answer(self, flow: http.HTTPFlow, call: Call) -> None:
        tape = self.proxy.tape
        assert tape
        try:
            body, encoding = flow.request.raw_content or b"", call.asked.start.content_encoding
            found = tape.find(await read_body(lambda body: question_of(call, body), body, encoding))
        except Exception as error:  # fails closed: a bug of ours sends nothing out
            logger.exception("heliograph: a call could not be compared with the recording")
            found = Unmatched(f"heliograph could not compare the call with {tape.path}: {error}")
        if isinstance(found, RecordedCall) and not self.proxy.has_own_streams:
            found = Unmatched("this mitmproxy lacks what replay needs; see the proxy's first messages")
        if isinstance(found, RecordedCall):
            call.sharing.plays, call.attempts.made = found, 0
            call.sharing.reference = Reference(found.id, _microseconds(found.started_at))
        elif not tape.records:
            logger.warning("heliograph: %s", found.message)
            call.attempts.made = 0
            flow.response = error_answer(call.attempts.route.provider, 400, UNMATCHED, found.message)

    def answer_wanted(self, stream: "CallStream") -> None:
        """A stream is ready for the answer of the recorded call that its call is."""
        call = stream.call
        if call and call.sharing.plays and self.proxy.tape:
            call.attempts.hold = None  # its program saw this answer: no attempt follows
            playing = _play(stream, call.sharing.plays, self.proxy.tape.speed)
            call.sharing.feed = asyncio.get_running_loop().create_task(playing)


async def _play(stream: "CallStream", recorded: RecordedCall, speed: float) -> None:
    """Sends the head and each piece at its time. `speed`: 2 is twice as fast, 0 without waiting."""
    client_id, loop = stream.flow.client_conn.id, asyncio.get_running_loop()
    began = loop.time()

    async def wait_until(at_ms: int) -> None:
        if speed and (delay_s := began + at_ms / 1000 / speed - loop.time()) > 0:
            await asyncio.sleep(delay_s)

    await wait_until(recorded.head_at_ms)
    if not await deliver(client_id, stream.fed(_head(recorded))):
        return
    for piece in recorded.pieces:
        await wait_until(piece.at_ms)
        if piece.data and not await deliver(client_id, stream.fed(piece.data)):
            return  # the connection is over
        await drain(client_id)
    await wait_until(recorded.ended_at_ms)
    if recorded.cut is None:
        await deliver(client_id, stream.fed(b""))
    else:
        await deliver(client_id, stream.fed_failure(Failure.PROVIDER, f"as recorded: {recorded.cut}"))


def _head(recorded: RecordedCall) -> http.Response:
    headers = http.Headers([(name.encode(), value.encode()) for name, value in recorded.headers.items()])
    if recorded.cut is None and "event-stream" not in recorded.headers.get("content-type", ""):
        headers["content-length"] = str(sum(len(piece.data) for piece in recorded.pieces))
    return http.Response(b"HTTP/1.1", recorded.status, b"", headers, None, None, 0, None)


def _microseconds(started_at: str) -> int:
    """Of the recorded call; 0 where somebody has changed the file to what is not a time."""
    try:
        return max(0, round(datetime.fromisoformat(started_at).timestamp() * 1_000_000))
    except (ValueError, OverflowError):
        return 0
