"""Checks before any page of the dashboard: is the person signed in, may they write. Sets the security headers of every answer."""

import hmac
import time
from typing import Final
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from analysis.dashboard.sessions import COOKIE, viewer_of
from analysis.dashboard.state import BASE, Dashboard

CSRF_HEADER: Final = "x-csrf-token"
SIGN_IN: Final = "/sign-in"
STATIC: Final = "/static/"
_SECURITY: Final = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}
_FOREVER: Final = "public, max-age=31536000, immutable"  # addresses of files have their content's hash


class Guard:
    """ASGI middleware of everything below BASE. Sets `request.state.viewer`."""

    def __init__(self, app: ASGIApp, dashboard: Dashboard) -> None:
        self._app, self._dashboard = app, dashboard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        path = scope["path"].removeprefix(scope.get("root_path", ""))

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_SECURITY)
                is_file = path.startswith(STATIC) and message["status"] == 200
                headers["cache-control"] = _FOREVER if is_file else "no-store"
            await send(message)

        answer = self._app if path.startswith(STATIC) else self._admit(Request(scope), path)
        return await answer(scope, receive, send_safely)

    def _admit(self, request: Request, path: str) -> ASGIApp:
        """The page, or what is answered instead of it."""
        session = request.cookies.get(COOKIE, "")
        viewer = viewer_of(self._dashboard.api.secret, self._dashboard.keys, session, time.time())
        request.scope.setdefault("state", {})["viewer"] = viewer
        if path == SIGN_IN:
            return self._app
        if viewer is None:
            return _sign_in_first(request)
        if request.method not in ("GET", "HEAD"):
            if not hmac.compare_digest(request.headers.get(CSRF_HEADER, "").encode(), viewer.csrf.encode()):
                return PlainTextResponse("This page is out of date: load it again, and try once more.", 403)
            if not viewer.may_write and path not in ("/sign-out",):
                return PlainTextResponse(f"The key {viewer.name!r} may only look: this needs the role write.", 403)
        return self._app


def _sign_in_first(request: Request) -> Response:
    """A page leads to the sign-in and back; a part of a page tells its page to go there."""
    if "hx-request" in request.headers:
        return Response(status_code=401, headers={"HX-Refresh": "true"})
    query = f"?{request.url.query}" if request.url.query else ""
    target = quote(request.url.path + query, safe="") if request.method == "GET" else ""
    return RedirectResponse(f"{BASE}{SIGN_IN}?to={target}", 303)
