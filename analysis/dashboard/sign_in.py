"""Signing in with a key of the proxy, and out again. Only where keys are configured."""

import time
from typing import Final
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from addon.hooks.endpoint_headers import CALLER
from addon.routing.access import holder
from analysis.dashboard.pages import Site
from analysis.dashboard.sessions import COOKIE, LASTS_S, make_session
from analysis.dashboard.state import BASE
from analysis.dashboard.tries import caller_of
from analysis.dashboard.view import view_of

_MOST_FORM_BYTES: Final = 4096
_REMEMBERED_S: Final = 7 * 24 * 3600  # a session that is over: so long the sign-in says that it is


def routes(site: Site) -> list[Route]:
    async def ask(request: Request) -> Response:
        target = _target(request.query_params.get("to", ""))
        if request.state.viewer is not None:
            return RedirectResponse(target, 303)
        was_in = COOKIE in request.cookies
        return site.page(request, "sign_in.html", view_of(request), target=target, was_signed_in=was_in)

    async def sign_in(request: Request) -> Response:
        """Told by htmx, so that the answer's words stand beside the field."""
        caller = _caller(site, request)
        if wait_s := site.dashboard.tries.wait_s(caller):
            return _say(site, request, f"Too many wrong keys. Try again in {wait_s:.0f} s.")
        form = parse_qs((await _body(request)).decode(errors="replace"))
        key = holder(site.dashboard.keys, form.get("key", [""])[0])
        if key is None:
            site.dashboard.tries.failed(caller)
            return _say(site, request, "This key is unknown to this heliograph.")
        if "read" not in key.roles:
            return _say(site, request, f"The key {key.name!r} does not have the role read.")
        answer = Response(headers={"HX-Redirect": _target(form.get("to", [""])[0])})
        answer.set_cookie(
            COOKIE,
            make_session(site.dashboard.api.secret, key, time.time()),
            max_age=LASTS_S + _REMEMBERED_S,
            path=BASE,
            httponly=True,
            samesite="strict",
            secure=request.headers.get("x-forwarded-proto") == "https",
        )
        return answer

    async def sign_out(request: Request) -> Response:
        answer = Response(headers={"HX-Redirect": f"{BASE}/sign-in"})
        answer.delete_cookie(COOKIE, path=BASE, httponly=True, samesite="strict")
        return answer

    return [
        Route("/sign-in", ask, name="sign_in"),
        Route("/sign-in", sign_in, methods=["POST"]),
        Route("/sign-out", sign_out, methods=["POST"]),
    ]


def _caller(site: Site, request: Request) -> str:
    """The proxy says from where a request came; without one the connection does."""
    connected = request.client.host if request.client else ""
    peer = request.headers.get(CALLER, "") if site.dashboard.has_proxy else connected
    return caller_of(peer, request.headers.get("x-forwarded-for", ""))


def _say(site: Site, request: Request, message: str) -> Response:
    return site.part("error_part.html", view_of(request), message=message)


def _target(text: str) -> str:
    """Where to go after it: a page of ours, never another site."""
    is_page = text.startswith(f"{BASE}/") and text.isascii() and text.isprintable()
    return text if is_page else f"{BASE}/"


async def _body(request: Request) -> bytes:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _MOST_FORM_BYTES:
            return b""
    return body
