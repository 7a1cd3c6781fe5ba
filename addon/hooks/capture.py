"""Copies what passes into the journal: raw bytes and times, nothing parsed. The settler reads it later.

A call is in the journal before its last bytes reach the caller: with the last piece of an answer of known length, with
the terminal event of a stream, else with the end of the body. What happens to the connection afterwards only amends it.
Nothing here may raise into mitmproxy: it would cost the caller the answer.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
from mitmproxy import http

from addon.calls.call import Call
from addon.calls.call_life import CallState
from addon.calls.failures import Failure
from addon.config import kept_headers
from addon.hooks.proxy import Proxy
from addon.hooks.redacted_capture import journal_redactor, redacted_body, redacted_end, redacted_start
from addon.hooks.request_body import READ_HERE_BYTES, read_body
from addon.hooks.services import Services
from addon.metering.content_coding import is_small
from addon.metering.redaction import facts_only, reading_only
from addon.metering.terminal import answer_framing, terminal_scanner
from addon.providers.model import Operation
from addon.routing.router import without_secrets
from addon.storage.journal_lines import CallEnd

logger = logging.getLogger(__name__)

LONGEST_HEADER: Final = 200  # characters that are kept of an answer's header: a count or a name is shorter


class Capture:
    def __init__(self, proxy: Proxy, services: Services) -> None:
        self.proxy, self.services, self.journal = proxy, services, services.journal

    # The request.

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if call := self.proxy.calls.of(flow.id):
            self.begin(call)

    def begin(self, call: Call) -> None:
        call.copied.redactor = redactor = journal_redactor(self.services)
        start = call.asked.start
        self.journal.start(call.id, redacted_start(redactor, start) if redactor else start)
        if self.proxy.request_ids is not None:
            self.proxy.request_ids.append(call.asked.start.request_id)

    def request(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        call = self.proxy.calls.of(flow.id)
        return self.ask(call, flow.request.raw_content or b"") if call else None

    def ask(self, call: Call, body: bytes) -> Awaitable[None] | None:
        """The request is whole."""
        call.move_to(CallState.ASKED)
        call.copied.request_bytes = len(body)
        if call.asked.controls.omit_request or call.copied.redactor:
            return self._keep_part(call, body)
        self._keep_request(call, body)
        return None

    async def _keep_part(self, call: Call, body: bytes) -> None:
        """The facts of an omitted body; what is not a secret."""
        start, redactor = call.asked.start, call.copied.redactor
        encoding, most = start.content_encoding, self.services.settings.max_body_bytes

        def read(body: bytes) -> bytes:
            if call.asked.controls.omit_request:
                facts = facts_only(body, encoding)
                return redacted_body(redactor, facts, None, "application/json", most) if redactor else facts
            assert redactor
            return redacted_body(redactor, body, encoding, start.content_type, most)

        try:
            self._keep_request(call, await read_body(read, body, encoding))
        except Exception:  # the call goes on
            logger.exception("heliograph: the request of call %s was not kept", call.id)

    def _keep_request(self, call: Call, body: bytes) -> None:
        kept = body[: self.services.settings.max_body_bytes]
        call.copied.request_truncated = call.copied.request_truncated or len(kept) < len(body)
        if kept:
            self.journal.piece(call.id, "request", kept)

    # The answer.

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        if (call := self.proxy.calls.of(flow.id)) and flow.response:
            flow.response.stream = self.begin_answer(call, flow, flow.response)

    def begin_answer(self, call: Call, flow: http.HTTPFlow, response: http.Response) -> Callable[[bytes], bytes]:
        """The head of the answer is there. Returns what copies its pieces on their way."""
        call.move_to(CallState.ANSWERING)
        answer = call.answer
        answer.status = response.status_code
        answer.content_type = response.headers.get("content-type")
        answer.content_encoding = response.headers.get("content-encoding")
        length = response.headers.get("content-length", "")
        answer.expected_bytes = int(length) if length.isdigit() else None
        operation = call.attempts.operation
        answer.headers = _headers_for_reader(operation, response.headers)
        answer.kept_headers = kept_headers.of_answer(response.headers.fields)
        answer.is_stream = answer_framing(operation, answer.content_type).is_stream
        call.copied.scanner = terminal_scanner(operation, answer.content_type, answer.content_encoding)
        answer.overhead_ms = overhead_ms(flow, call, time.time())
        return self._tee(call, response)

    def _tee(self, call: Call, response: http.Response) -> Callable[[bytes], bytes]:
        def tee(piece: bytes) -> bytes:
            try:
                if not piece and response.trailers:
                    call.answer.headers |= _headers_for_reader(call.attempts.operation, response.trailers)
                self._take(call, piece)
            except Exception:
                logger.exception("heliograph: a piece of call %s was not kept", call.id)
            return piece

        return tee

    def _take(self, call: Call, piece: bytes) -> None:
        """A piece of the answer, or b"" at its end, before it goes out."""
        if not piece:
            self.end(call, None)
            return
        copied = call.copied
        if call.answer.first_byte_at is None:
            call.answer.first_byte_at = time.time()
        self.keep(call, piece)
        if copied.response_bytes == call.answer.expected_bytes:
            self.end(call, None)
        elif copied.scanner and copied.finished_at is None and copied.scanner.feed(piece):
            self.end(call, None, final=False)

    def keep(self, call: Call, piece: bytes) -> None:
        """A piece of the answer goes into the journal, as far as there is room."""
        copied = call.copied
        if call.answer.is_stream:
            copied.piece_times.add(_ms(call.asked.start.started_at_us, time.time()), copied.response_bytes)
        room = 0 if copied.response_truncated else self.services.settings.max_body_bytes - copied.response_bytes
        copied.response_bytes += len(piece)
        is_withheld = call.asked.controls.omit_response or copied.redactor is not None
        if room > 0 and (is_withheld or call.sharing.leads) and not self._hold(call, min(room, len(piece))):
            room = 0
        copied.response_truncated = copied.response_truncated or len(piece) > room
        if room > 0 and is_withheld:
            copied.withheld += piece[:room]
        elif room > 0:
            self.journal.piece(call.id, "response", piece[:room])

    def _hold(self, call: Call, more: int) -> bool:
        """Whether there is room for more of an answer that is held until its end."""
        if not self.proxy.calls.held_answers.take(more, call.copied.response_bytes):
            return False
        call.copied.held_bytes += more
        return True

    # The end, however it comes.

    def response(self, flow: http.HTTPFlow) -> None:
        """The answer is whole. Its end is written already, unless it had no body or was made by an addon."""
        call = self.proxy.calls.of(flow.id)
        if call is None or flow.response is None:
            return
        if not call.copied.closed and not call.copied.response_bytes and flow.response.raw_content:
            self._take(call, flow.response.raw_content)
        self.end(call, None)

    def error(self, flow: http.HTTPFlow) -> None:
        if call := self.proxy.calls.of(flow.id):
            self.end(call, call.upstream.failure or Failure.CALLER)

    def end(self, call: Call, failure: Failure | None, final: bool = True) -> None:
        """Write the closing line, once and for all if `final`. After a terminal event a failure no longer matters."""
        if call.copied.closed:
            return
        if failure is None and call.copied.finished_at is None:
            call.move_to(CallState.FINISHED)
            call.copied.finished_at = time.time()
        line = closing_line(call, failure)
        if call.copied.withheld:
            if is_small(bytes(call.copied.withheld), call.answer.content_encoding, READ_HERE_BYTES):
                self._take_withheld(call, line)
            elif final:
                self._read_withheld(call, line)
                return
        call.copied.closed = final
        self._close(call, line, final)

    def _close(self, call: Call, line: CallEnd, final: bool) -> None:
        """The end goes into the journal; where the caller's process is still looked for, that amends it."""
        answer = call.connection.caller_process
        is_known = answer is None or answer.done()
        self._write_end(call, line, final and is_known)
        if final and answer and not is_known:

            def amend(_: object) -> None:
                _tell_process(line, call)
                self._write_end(call, line, True)

            answer.add_done_callback(amend)

    def _read_withheld(self, call: Call, line: CallEnd) -> None:
        """Closes a call whose withheld answer takes a while to read: the end goes into the journal now, what the answer
        says of itself, or what of it may be kept, amends it."""
        call.copied.closed = True
        self._write_end(call, line, False)

        def amend() -> None:
            self._take_withheld(call, line)
            self._write_end(call, line, True)

        asyncio.get_running_loop().run_in_executor(None, amend)

    def _take_withheld(self, call: Call, line: CallEnd) -> None:
        """What the journal may have of the answer: of an omitted one what it says of itself, else all but the secrets."""
        copied, answer = call.copied, call.answer
        if call.asked.controls.omit_response:
            line.reading = _reading_of(call)
        elif copied.redactor:
            withheld, copied.withheld = bytes(copied.withheld), bytearray()  # more may follow a terminal event
            most = self.services.settings.max_body_bytes
            try:
                kept = redacted_body(copied.redactor, withheld, answer.content_encoding, answer.content_type, most)
            except Exception:
                logger.exception("heliograph: the answer of call %s could not be redacted", call.id)
                kept = b""
            if kept:
                self.journal.piece(call.id, "response", kept)

    def _write_end(self, call: Call, line: CallEnd, final: bool) -> None:
        redactor = call.copied.redactor
        self.journal.end(call.id, redacted_end(redactor, line) if redactor else line, final)


def closing_line(call: Call, failure: Failure | None) -> CallEnd:
    """What the journal says of a call that has ended. `failure`: what ended it early, if anything did."""
    answer, attempts, copied, sharing = call.answer, call.attempts, call.copied, call.sharing
    started_at_us, reference = call.asked.start.started_at_us, sharing.reference
    status, error_type = _status(call, failure)
    streams_since = answer.first_byte_at if answer.is_stream else None
    line = CallEnd(
        status=status,
        error_type=error_type,
        complete=copied.finished_at is not None,
        content_type=answer.content_type,
        content_encoding=answer.content_encoding,
        answer_headers=answer.headers,
        kept_headers=answer.kept_headers,
        piece_times=copied.piece_times.as_json(copied.response_bytes),
        duration_ms=_ms(started_at_us, copied.finished_at or time.time()),
        time_to_first_token_ms=_ms(started_at_us, streams_since) if streams_since else None,
        overhead_ms=answer.overhead_ms,
        attempts=attempts.made,
        failed_attempts=orjson.dumps(attempts.failed).decode() if attempts.failed else None,
        fallback_index=attempts.fallback_index,
        **_answered_by(call),
        rate_limit_status=call.limits.status,
        charges=call.limits.charges,
        cache_status=sharing.status,
        cache_reference_id=reference.request_id if reference else None,
        cache_reference_started_at_us=reference.started_at_us if reference else None,
        request_bytes=copied.request_bytes,
        response_bytes=copied.response_bytes,
        request_truncated=copied.request_truncated,
        response_truncated=copied.response_truncated,
    )
    _tell_process(line, call)
    return line


def _tell_process(line: CallEnd, call: Call) -> None:
    """Which program on this machine called, as far as it is known by now."""
    if process := call.connection.process:
        line.client_command, line.client_cwd, line.client_repository = process.command, process.cwd, process.repository


def _headers_for_reader(operation: Operation, headers: http.Headers) -> dict[str, str]:
    """The headers that the operation's reader asks for, by their names in lower case."""
    return {
        name: value[:LONGEST_HEADER] for name in operation.answer_headers if (value := headers.get(name)) is not None
    }


def _status(call: Call, failure: Failure | None) -> tuple[int, str | None]:
    """The row's status and error type."""
    if call.sharing.caller_left:  # and it is paid for: the calls that follow it are billed nothing
        failure = Failure.CALLER
    elif call.copied.finished_at is not None:
        failure = None
    if failure is Failure.CALLER and call.answer.status is not None and call.answer.status >= 400:
        failure = None  # many programs read no more of an error than its status
    if failure:
        consequence = call.consequence_of(failure)
        if consequence.row_status is not None:
            return consequence.row_status, consequence.error_type
    status = call.answer.status if call.answer.status is not None else -100
    return status, consequence.error_type if failure else call.refused_as


def _answered_by(call: Call) -> dict[str, Any]:
    """The target that answered, where a fallback did and it is not the one that was called, and what was set in the body
    for it."""
    start, attempts, route = call.asked.start, call.attempts, call.attempts.route
    if attempts.fallback_index is None:
        return {}
    path = without_secrets(route.path)
    told: dict[str, Any] = {}
    if (route.provider.name, route.host, path) != (start.provider_name, start.host, start.path):
        told = {"provider_name": route.provider.name, "host": route.host, "path": path}
        told["operation_name"] = attempts.operation.name
    if attempts.overrides:  # the words of a request that is to be in no file may be among them
        model_only = {name: value for name, value in attempts.overrides.items() if name == "model"}
        told["overrides"] = model_only if call.asked.controls.omit_request else dict(attempts.overrides)
    return told


def _reading_of(call: Call) -> dict[str, Any]:
    """What an answer that may be in no file says of itself; nothing, where a bug of ours keeps us from reading it."""
    try:
        answer, text = call.answer, bytes(call.copied.withheld)
        return reading_only(call.attempts.operation, text, answer.content_encoding, answer.content_type)
    except Exception:
        logger.exception("heliograph: the omitted answer of call %s could not be read", call.id)
        return {}


def overhead_ms(flow: http.HTTPFlow, call: Call, now: float) -> float | None:
    """What this proxy added before the first byte: from the request's last byte to the answer's first, less the time
    that the provider and the connection to it took. Times are mitmproxy's own stamps, in epoch seconds."""
    request, response = flow.request, flow.response
    if not (response and request.timestamp_end and response.timestamp_start):
        return None
    after_answer_s = now - response.timestamp_start
    sent_at = call.upstream.sent_at
    before_sending_s = sent_at - request.timestamp_end - call.upstream.connect_s if sent_at else 0.0
    return round(max(0.0, after_answer_s + before_sending_s) * 1000, 3)


def _ms(from_us: int, to_s: float) -> int:
    return max(0, round(to_s * 1000 - from_us / 1000))
