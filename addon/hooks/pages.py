"""Web pages: requests that a page sent to us as to a server are refused, unless the settings allow its origin. Acts on what
`routing/browsers.py` decides, before anything else looks at the request."""

import logging

from mitmproxy import http
from mitmproxy.proxy.mode_specs import ReverseMode

from addon.calls.answers import answer_now, refusal
from addon.calls.attempt_outcomes import NoAnswer
from addon.calls.marks import ASKED_HOST, OWN, PAGE
from addon.hooks.route import is_under_our_name
from addon.hooks.services import Services
from addon.routing import browsers
from addon.routing.own_endpoints import ABOUT_PATH, DASHBOARD
from addon.routing.router import is_helicone

logger = logging.getLogger(__name__)


class RefusePages:
    def __init__(self, services: Services) -> None:
        self.services = services

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if flow.response or flow.error or not is_sent_to_us(flow):
            return
        try:
            self._judge(flow)
        except Exception:  # a bug of ours: nobody gets in by it
            logger.exception("heliograph: the headers of a request were not understood")
            answer_now(flow, refusal(flow, 500, "heliograph_error", "heliograph could not read this request"))

    def _judge(self, flow: http.HTTPFlow) -> None:
        settings, headers = self.services.settings, flow.request.headers
        if not browsers.may_be_page(headers.fields):
            return
        denial = browsers.deny_page(
            headers,
            flow.request.method,
            allowed=settings.page_origins,
            authority=flow.metadata.get(ASKED_HOST, ""),
            host_is_ours=is_under_our_name(flow, settings.hosts),
            may_be_linked=flow.request.path == ABOUT_PATH or flow.request.path.startswith(f"{DASHBOARD}/"),
        )
        if denial:
            answer_now(flow, refusal(flow, denial.status, "origin_not_allowed", denial.message))
        elif browsers.is_allowed(headers.get(browsers.ORIGIN, ""), settings.page_origins):
            if browsers.is_preflight(headers, flow.request.method):
                answer_now(flow, http.Response.make(204, b"", browsers.preflight_headers(headers)))
            else:
                flow.metadata[PAGE] = headers[browsers.ORIGIN]


class LetPagesRead:
    """Lets an allowed page read its answer, and the headers on it."""

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        self._let(flow)

    def upstream_failed(self, failed: NoAnswer) -> None:
        self._let(failed.flow)

    @staticmethod
    def _let(flow: http.HTTPFlow) -> None:
        if (origin := flow.metadata.get(PAGE)) and flow.response:
            headers = flow.response.headers
            headers.update(browsers.answer_headers(origin, list(dict.fromkeys(headers))))


def is_sent_to_us(flow: http.HTTPFlow) -> bool:
    """As to a server: by base_url, under one of Helicone's names, or by a mode in which we are the server."""
    mode = flow.client_conn.proxy_mode
    return bool(flow.metadata.get(OWN)) or isinstance(mode, ReverseMode) or is_helicone(flow.request.host.lower())
