"""Our headers on the answer of every call: its id, attempts, overhead, warnings."""

from mitmproxy import http
from mitmproxy.net.http import status_codes

from addon.config import controls
from addon.hooks.attempt_outcomes import NoAnswer
from addon.hooks.call import Call
from addon.hooks.proxy import Proxy
from addon.storage.journal import Journal


class AnswerHeaders:
    def __init__(self, proxy: Proxy, journal: Journal) -> None:
        self.proxy, self.journal = proxy, journal

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        self._tell(flow)

    def upstream_failed(self, failed: NoAnswer) -> None:
        self._tell(failed.flow)

    def _tell(self, flow: http.HTTPFlow) -> None:
        if self.proxy.connections.is_leaving:
            self._end_connection(flow)
        call = self.proxy.calls.of(flow.id)
        if call is None or flow.response is None:
            return
        headers, attempts = flow.response.headers, call.attempts
        headers[controls.ID] = call.asked.start.request_id
        if call.upstream.failure is None and (attempts.made or call.sharing.reference):  # else our own answer says it
            headers[controls.STATUS] = "success"
        headers[controls.ATTEMPTS] = str(attempts.made)
        if attempts.fallback_index is not None:
            headers[controls.FALLBACK_INDEX] = str(attempts.fallback_index)
        if attempts.gave_up:
            headers[controls.SHOULD_RETRY] = "false"  # or the SDK multiplies our attempts by its own
        if call.answer.overhead_ms is not None:
            headers[controls.OVERHEAD_MS] = f"{call.answer.overhead_ms:.2f}"
        if warnings := self._warnings(call):
            headers[controls.WARNING] = "; ".join(warnings)

    @staticmethod
    def _end_connection(flow: http.HTTPFlow) -> None:
        """The caller's next request finds another process. HTTP/2 has no such header: `mitm/http2.py` ends its connections."""
        answer = flow.response
        if answer and answer.status_code != status_codes.SWITCHING and not flow.request.is_http2:
            answer.headers["connection"] = "close"

    def _warnings(self, call: Call) -> list[str]:
        refused = "the journal cannot be written; this call may not be recorded"
        return [*call.asked.controls.warnings, *call.warnings, *([refused] if self.journal.is_refused else [])]
