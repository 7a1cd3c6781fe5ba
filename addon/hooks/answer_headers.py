"""Our headers on the answer of every call: its id, attempts, overhead, warnings."""

from mitmproxy import http
from mitmproxy.net.http import status_codes

from addon.calls.attempt_outcomes import NoAnswer
from addon.calls.call import Call
from addon.config import controls
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
        _put(flow.response.headers, self._ours(call))

    def _ours(self, call: Call) -> dict[str, str]:
        """By the header's name."""
        attempts, ours = call.attempts, {controls.ID: call.asked.start.request_id}
        if call.upstream.failure is None and (attempts.made or call.sharing.reference):  # else our own answer says it
            ours[controls.STATUS] = "success"
        ours[controls.ATTEMPTS] = str(attempts.made)
        if attempts.fallback_index is not None:
            ours[controls.FALLBACK_INDEX] = str(attempts.fallback_index)
        if attempts.gave_up:
            ours[controls.SHOULD_RETRY] = "false"  # or the SDK multiplies our attempts by its own
        if call.answer.overhead_ms is not None:
            ours[controls.OVERHEAD_MS] = f"{call.answer.overhead_ms:.2f}"
        if warnings := self._warnings(call):
            ours[controls.WARNING] = "; ".join(warnings)
        return ours

    @staticmethod
    def _end_connection(flow: http.HTTPFlow) -> None:
        """The caller's next request finds another process. HTTP/2 has no such header: `mitm/http2.py` ends its connections."""
        answer = flow.response
        if answer and answer.status_code != status_codes.SWITCHING and not flow.request.is_http2:
            answer.headers["connection"] = "close"

    def _warnings(self, call: Call) -> list[str]:
        refused = "the journal cannot be written; this call may not be recorded"
        return [*call.asked.controls.warnings, *call.warnings, *([refused] if self.journal.is_refused else [])]


def _put(headers: http.Headers, ours: dict[str, str]) -> None:
    """All at once, in the place of headers that have these names."""
    added = [(name.encode(), value.encode()) for name, value in ours.items()]
    taken = {name.lower() for name, _ in added}
    kept = [field for field in headers.fields if field[0].lower() not in taken]
    headers.fields = (*kept, *added)
