"""`[usage] inject = true`: removes the usage chunk for callers that did not ask for it.

The last filter before the caller: journal and cache have the provider's own bytes by then. A cached answer is whole, and
filtered as a whole.
"""

import logging
from collections.abc import Callable, Iterable

from mitmproxy import http

from addon.calls.call import Calls
from addon.config import controls
from addon.providers.stream_types import EVENT_STREAM, media_type
from addon.sending.stream_usage import UsageChunkFilter

logger = logging.getLogger(__name__)

type PassOn = Callable[[bytes], bytes | Iterable[bytes]]


class HideUsage:
    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        response = flow.response
        if response is None or not self._is_to_filter(flow):
            return
        if "content-encoding" in response.headers:
            known = response.headers.get(controls.WARNING)
            told = "[usage] inject: the answer came compressed, so its usage chunk is not removed"
            response.headers[controls.WARNING] = f"{known}; {told}" if known else told
        elif callable(response.stream) and response.raw_content is None:
            response.stream = HidingStream(response.stream)
            if response.headers.pop("content-length", None) and flow.request.is_http11 and not response.is_http10:
                response.headers["transfer-encoding"] = "chunked"

    def response(self, flow: http.HTTPFlow) -> None:
        """An answer out of the cache, before it goes out."""
        response = flow.response
        if (
            response
            and response.raw_content
            and self._is_to_filter(flow)
            and "content-encoding" not in response.headers
        ):
            hiding = HidingStream(lambda piece: piece)
            response.content = b"".join([*hiding(response.raw_content), *hiding(b"")])

    def _is_to_filter(self, flow: http.HTTPFlow) -> bool:
        call = self.calls.of(flow.id)
        if call is None or not call.attempts.hides_usage or flow.response is None:
            return False
        return media_type(flow.response.headers.get("content-type")) == EVENT_STREAM


class HidingStream:
    """A `flow.response.stream` around another one. Never raises, and gives no empty piece."""

    def __init__(self, pass_on: PassOn) -> None:
        self._pass_on = pass_on
        self._filter = UsageChunkFilter()

    def __call__(self, piece: bytes) -> list[bytes]:
        passed = self._pass_on(piece)
        pieces = [passed] if isinstance(passed, bytes) else list(passed)
        shown = [part for given in pieces if given for part in self._feed(given)]
        return shown if piece else [*shown, *self.cut()]

    def cut(self) -> list[bytes]:
        """What is held back, where no further piece will come: mitmproxy tells a stream of its end only if it has one."""
        rest = self._filter.finish()
        return [rest] if rest else []

    def _feed(self, piece: bytes) -> list[bytes]:
        held = self._filter.held
        try:
            return self._filter.feed(piece)
        except Exception:
            logger.exception("heliograph: a stream's usage could not be hidden")
            self._filter.held = b""
            return [held + piece]
