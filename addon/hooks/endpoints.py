"""Our own endpoints, on the proxy's own host and for Helicone's host label `api.`: checks that the caller may ask, and
passes the request on.

`/healthz` and `/` are answered here. Everything else, the dashboard too, goes to a process of its own (`api_process.py`), so that no
question, however slow, delays a call.
"""

import asyncio
from collections.abc import Awaitable
from importlib.metadata import PackageNotFoundError, version
from typing import Final

import orjson
from mitmproxy import http

from addon.calls.answers import answer_now, api_error, json_answer
from addon.calls.attempt_outcomes import NoAnswer
from addon.calls.marks import ENDPOINT
from addon.config.controls import AUTH
from addon.hooks.api_process import ApiDown
from addon.hooks.endpoint_headers import CALLER, COUNTS, TOKEN
from addon.hooks.proxy import Proxy
from addon.hooks.route import is_under_our_name
from addon.hooks.services import Services
from addon.providers.model import Json
from addon.routing.access import Denial, deny_endpoint
from addon.routing.addresses import is_loopback
from addon.routing.own_endpoints import ABOUT_PATH, DASHBOARD, DASHBOARD_START, HEALTH_PATH, role_for
from addon.storage.writable import WritableCheck

_ENDED: Final = (
    "the API process ended while it answered, and starts again with the next request; a question that needs too much "
    "memory or time ends it: ask for less time, fewer rows or fewer columns"
)


_TOLD: Final = ("seen", "under_way", "waiting", "overloaded", "journalled", "unlogged", "unchecked")
_SEE: Final = {
    DASHBOARD_START: "the dashboard; a browser that asks for / is led to it",
    "/openai/v1": "base URL for OpenAI; every other provider's name is a prefix as well, e.g. /anthropic",
    HEALTH_PATH: "state and counts",
    "/metrics": "Prometheus",
    "/openapi.json": "every endpoint: calls, sessions, users, feedback, SQL",
    "heliograph report": "in a shell: what the calls cost",
}


class Endpoints:
    def __init__(self, proxy: Proxy, services: Services) -> None:
        self.proxy, self.services = proxy, services
        self._writable = WritableCheck(services.settings.data)

    def requestheaders(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        path = flow.metadata.get(ENDPOINT)
        if path is None or flow.response or flow.error:
            return None
        return self._answer(flow, path)

    async def _answer(self, flow: http.HTTPFlow, path: str) -> None:
        if path == ABOUT_PATH and wants_page(flow.request.headers.get("accept", "")):
            _, mark, query = flow.request.path.partition("?")
            start = f"{DASHBOARD_START}{mark}{query}"
            answer_now(flow, http.Response.make(302, b"", {"location": start, "vary": "accept"}))
        elif path in (HEALTH_PATH, ABOUT_PATH):
            answer_now(flow, await self._about_us(path, flow.request.method))
        elif denial := self._denial(flow, path):
            answer_now(flow, api_error(denial.status, denial.message))
        else:
            try:
                self._hand_on(flow, await self.services.api.port())
            except ApiDown as error:
                answer_now(flow, api_error(503, str(error)))

    def _hand_on(self, flow: http.HTTPFlow, port: int) -> None:
        request = flow.request
        request.scheme, request.data.host, request.data.port = "http", "127.0.0.1", port
        request.host_header = f"127.0.0.1:{port}"
        request.headers[TOKEN] = self.services.api.token
        request.headers[CALLER] = flow.client_conn.peername[0]
        request.headers[COUNTS] = orjson.dumps({"started_at": self.proxy.started_at, **self.proxy.sums()}).decode()
        request.stream = True
        flow.server_conn.via = None

    def _denial(self, flow: http.HTTPFlow, path: str) -> Denial | None:
        headers, client, keys = flow.request.headers, flow.client_conn, self.services.settings.keys
        if keys and path.startswith(f"{DASHBOARD}/"):
            return None  # it has a page to sign in
        if (role := role_for(flow.request.method, path)) is None:
            return None
        return deny_endpoint(
            keys,
            role,
            credentials=[headers[name] for name in ("authorization", AUTH) if name in headers],
            is_local=is_loopback(client.peername[0]),
            host_is_ours=is_under_our_name(flow, self.services.settings.hosts),
        )

    def upstream_failed(self, failed: NoAnswer) -> None:
        if ENDPOINT in failed.flow.metadata:
            failed.flow.response = api_error(503, _ENDED)

    async def _about_us(self, path: str, method: str) -> http.Response:
        """The state; at `/` with the version before it and what else there is after it. 200 even where nothing can be
        recorded: calls go on, so a load balancer must not take this proxy away."""
        if method not in ("GET", "HEAD"):
            return api_error(405, f"{path} answers GET only")
        problem = await asyncio.to_thread(self._writable.why_unwritable)
        if problem is None and self.services.journal.is_refused:
            problem = "the journal cannot be written"
        sums = self.proxy.sums()
        state: Json = {"status": "ok"}
        if problem:
            state = {"status": "degraded", "problem": f"{problem}; calls go on without a record"}
        state |= {"calls": {name: sums[name] for name in _TOLD}, "passed": sums["passed"]}
        if self.proxy.parent:
            state["workers"] = sums["serving"]
        if path == ABOUT_PATH:
            state = {"name": "heliograph", "version": _version(), **state, "see": _SEE}
        return json_answer(200, state)


def wants_page(accept: str) -> bool:
    """Whether a browser asks: programs accept anything, or JSON."""
    return "text/html" in accept.lower()


def _version() -> str | None:
    """None where the addon runs from a checkout that is not installed."""
    try:
        return version("heliograph")
    except PackageNotFoundError:
        return None
