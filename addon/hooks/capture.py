"""Copies what passes into the journal: raw bytes and times, nothing parsed. The settler reads it later.

A call is in the journal before its last bytes reach the caller: with the last piece of an answer of known length, with
the terminal event of a stream, else with the end of the body. What happens to the connection afterwards only amends it.
Nothing here may raise into mitmproxy: it would cost the caller the answer.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from mitmproxy import http

from addon.config import controls
from addon.hooks.answers import error_answer
from addon.hooks.call import Call
from addon.hooks.marks import BROKEN_BY, CALLER, CONNECT, CONNECT_S, PROVIDER, REFUSED, SENT_AT, TIMEOUT
from addon.hooks.proxy import Proxy
from addon.hooks.request_body import READ_HERE_BYTES, read_body
from addon.metering.content_coding import is_small
from addon.metering.redaction import facts_only, reading_only
from addon.metering.terminal import terminal_scanner
from addon.routing.router import without_secrets
from addon.storage.journal_lines import CallEnd

logger = logging.getLogger(__name__)

# What a row has for a call that the provider did not end: (status, where the answer had not begun; error type).
_BROKEN = {
    CALLER: (-3, "client_disconnected"),
    PROVIDER: (-100, "upstream_disconnected"),
    CONNECT: (-100, "connection_failed"),
    TIMEOUT: (-2, "upstream_timeout"),
    REFUSED: (403, "target_not_approved"),
}


class Capture:
    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy

    # The request.

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if call := self.proxy.calls.get(flow.id):
            self.proxy.journal.start(call.id, call.start)
            if self.proxy.request_ids is not None:
                self.proxy.request_ids.append(call.start.request_id)

    def request(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        call = self.proxy.calls.get(flow.id)
        if call is None:
            return None
        body = flow.request.raw_content or b""
        call.request_bytes = len(body)
        if call.controls.omit_request:
            return self._keep_facts(call, body)
        self._keep_request(call, body)
        return None

    async def _keep_facts(self, call: Call, body: bytes) -> None:
        encoding = call.start.content_encoding
        self._keep_request(call, await read_body(lambda body: facts_only(body, encoding), body, encoding))

    def _keep_request(self, call: Call, body: bytes) -> None:
        kept = body[: self.proxy.settings.max_body_bytes]
        call.request_truncated = len(kept) < len(body)
        if kept:
            self.proxy.journal.piece(call.id, "request", kept)

    # The answer.

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        call, response = self.proxy.calls.get(flow.id), flow.response
        if call is None or response is None:
            return
        call.status = response.status_code
        call.content_type = response.headers.get("content-type")
        call.content_encoding = response.headers.get("content-encoding")
        length = response.headers.get("content-length", "")
        call.expected_bytes = int(length) if length.isdigit() else None
        call.scanner = terminal_scanner(call.operation, call.content_type, call.content_encoding)
        call.overhead_ms = overhead_ms(flow, time.time())
        self._announce(call, response)
        response.stream = self._tee(call)

    def _tee(self, call: Call) -> Callable[[bytes], bytes]:
        def tee(piece: bytes) -> bytes:
            try:
                self._take(call, piece)
            except Exception:
                logger.exception("heliograph: a piece of call %s was not kept", call.id)
            return piece

        return tee

    def _take(self, call: Call, piece: bytes) -> None:
        """A piece of the answer, or b"" at its end, before it goes out."""
        if not piece:
            self._end(call, None)
            return
        if call.first_byte_at is None:
            call.first_byte_at = time.time()
        room = self.proxy.settings.max_body_bytes - call.response_bytes
        call.response_bytes += len(piece)
        call.response_truncated = call.response_truncated or len(piece) > room
        if room > 0 and call.controls.omit_response:
            call.withheld += piece[:room]
        elif room > 0:
            self.proxy.journal.piece(call.id, "response", piece[:room])
        if call.response_bytes == call.expected_bytes:
            self._end(call, None)
        elif call.scanner and call.finished_at is None and call.scanner.feed(piece):
            self._end(call, None, final=False)

    def _announce(self, call: Call, response: http.Response) -> None:
        """Our headers on an answer."""
        response.headers[controls.ID] = call.start.request_id
        response.headers[controls.STATUS] = "success"
        response.headers[controls.ATTEMPTS] = str(call.attempts)
        if call.fallback_index is not None:
            response.headers[controls.FALLBACK_INDEX] = str(call.fallback_index)
        if call.gave_up:
            response.headers[controls.SHOULD_RETRY] = "false"  # or the SDK multiplies our attempts by its own
        if call.overhead_ms is not None:
            response.headers[controls.OVERHEAD_MS] = f"{call.overhead_ms:.2f}"
        warnings = [*call.controls.warnings, *call.warnings]
        if self.proxy.journal.is_refused:
            warnings.append("the journal cannot be written; this call may not be recorded")
        if warnings:
            response.headers[controls.WARNING] = "; ".join(warnings)

    # The end, however it comes.

    def response(self, flow: http.HTTPFlow) -> None:
        """The answer is whole. Its end is written already, unless it had no body or was made by an addon."""
        call = self.proxy.calls.pop(flow.id, None)
        if call is None or flow.response is None:
            return
        if not call.closed and not call.response_bytes and flow.response.raw_content:
            self._take(call, flow.response.raw_content)
        self._end(call, None)

    def upstream_failed(self, flow: http.HTTPFlow) -> None:
        """No first byte came: the caller gets an error of its API's own shape."""
        call = self.proxy.calls.get(flow.id)
        who = flow.metadata.get(BROKEN_BY, PROVIDER)
        status = {TIMEOUT: 504, REFUSED: 403}.get(who, 502)
        host, port = flow.request.host, flow.request.port
        what = {
            CONNECT: f"heliograph could not connect to {host}:{port}",
            TIMEOUT: f"{host} sent no answer in time",
            REFUSED: f"heliograph did not connect to {host}:{port}",
        }.get(who, f"{host} closed the connection without an answer")
        message = f"{what}: {flow.error.msg if flow.error else 'no reason given'}"
        flow.response = error_answer(call.route.provider if call else None, status, _BROKEN[who][1], message)
        if call:
            self._announce(call, flow.response)

    def error(self, flow: http.HTTPFlow) -> None:
        call = self.proxy.calls.pop(flow.id, None)
        if call:
            self._end(call, flow.metadata.get(BROKEN_BY, CALLER))

    def _end(self, call: Call, broken_by: str | None, final: bool = True) -> None:
        """Write the closing line, once and for all if `final`. After a terminal event it no longer matters who breaks off."""
        if call.closed:
            return
        if broken_by is None and call.finished_at is None:
            call.finished_at = time.time()
        complete = call.finished_at is not None
        status, error_type = call.status, None
        if call.caller_left:  # and it is paid for: whoever follows it is billed nothing
            status, error_type = _BROKEN[CALLER]
        elif not complete and broken_by is not None:
            unanswered, error_type = _BROKEN[broken_by]
            status = unanswered if call.status is None or broken_by == CALLER else call.status
        line = CallEnd(
            status=status if status is not None else -100,
            error_type=error_type,
            complete=complete,
            content_type=call.content_type,
            content_encoding=call.content_encoding,
            duration_ms=_ms(call.start.started_at_us, call.finished_at or time.time()),
            time_to_first_token_ms=(
                _ms(call.start.started_at_us, call.first_byte_at) if call.is_stream and call.first_byte_at else None
            ),
            overhead_ms=call.overhead_ms,
            attempts=call.attempts,
            fallback_index=call.fallback_index,
            **_answered_by(call),
            rate_limit_status=call.rate_limit_status,
            charges=call.charges,
            cache_status=call.cache_status,
            cache_reference_id=call.reference.request_id if call.reference else None,
            cache_reference_started_at_us=call.reference.started_at_us if call.reference else None,
            request_bytes=call.request_bytes,
            response_bytes=call.response_bytes,
            request_truncated=call.request_truncated,
            response_truncated=call.response_truncated,
        )
        if call.controls.omit_response and call.withheld:
            if is_small(bytes(call.withheld), call.content_encoding, READ_HERE_BYTES):
                line.reading = _reading_of(call)
            elif final:
                self._read_withheld(call, line)
                return
        call.closed = final
        self.proxy.journal.end(call.id, line, final)

    def _read_withheld(self, call: Call, line: CallEnd) -> None:
        """Closes a call whose omitted answer takes a while to read: the end goes into the journal now, what the answer
        says of itself amends it."""
        call.closed = True
        self.proxy.journal.end(call.id, line, False)

        def amend() -> None:
            line.reading = _reading_of(call)
            self.proxy.journal.end(call.id, line, True)

        asyncio.get_running_loop().run_in_executor(None, amend)


def _answered_by(call: Call) -> dict[str, Any]:
    """Who answered, where a fallback did and it is not who was called, and what was set in the body for it."""
    if call.fallback_index is None:
        return {}
    path = without_secrets(call.route.path)
    told: dict[str, Any] = {}
    if (call.route.provider.name, call.route.host, path) != (
        call.start.provider_name,
        call.start.host,
        call.start.path,
    ):
        told = {"provider_name": call.route.provider.name, "host": call.route.host, "path": path}
        told["operation_name"] = call.operation.name
    if call.overrides:  # the words of a request that is to be in no file may be among them
        model_only = {name: value for name, value in call.overrides.items() if name == "model"}
        told["overrides"] = model_only if call.controls.omit_request else dict(call.overrides)
    return told


def _reading_of(call: Call) -> dict[str, Any]:
    """What an answer that may be in no file says of itself; nothing, where a bug of ours keeps us from reading it."""
    try:
        return reading_only(call.operation, bytes(call.withheld), call.content_encoding, call.content_type)
    except Exception:
        logger.exception("heliograph: the omitted answer of call %s could not be read", call.id)
        return {}


def overhead_ms(flow: http.HTTPFlow, now: float) -> float | None:
    """What this proxy added before the first byte: from the request's last byte to the answer's first, less the time
    that the provider and the connection to it took. Times are mitmproxy's own stamps, in epoch seconds."""
    request, response = flow.request, flow.response
    if not (response and request.timestamp_end and response.timestamp_start):
        return None
    after_answer_s = now - response.timestamp_start
    sent_at = flow.metadata.get(SENT_AT)
    before_sending_s = sent_at - request.timestamp_end - flow.metadata.get(CONNECT_S, 0.0) if sent_at else 0.0
    return round(max(0.0, after_answer_s + before_sending_s) * 1000, 3)


def _ms(from_us: int, to_s: float) -> int:
    return max(0, round(to_s * 1000 - from_us / 1000))
