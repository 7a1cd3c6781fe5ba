"""The dashboard's table of contents."""

import sys

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from addon.storage.folders import NotOurs
from analysis.api.envelope import UNSAFE, ApiError
from analysis.dashboard import (
    alerts,
    files,
    filter_values,
    first_call,
    health,
    limits,
    one_request,
    one_session,
    overview,
    properties,
    report_pages,
    requests,
    session_list,
    settings,
    sign_in,
    sql_page,
)
from analysis.dashboard.guard import Guard
from analysis.dashboard.pages import Site
from analysis.dashboard.state import BASE, Dashboard
from analysis.dashboard.view import view_of
from analysis.reports.scope import BadCondition

# In the order of the navigation. Each has PAGE and routes(site).
_models, _users, _clients, _errors, _cache, _prompt_cache, _feedback = report_pages.PAGES
PAGES = (
    overview,
    requests,
    session_list,
    _models,
    _users,
    properties,
    _clients,
    _errors,
    _cache,
    _prompt_cache,
    _feedback,
    limits,
    alerts,
    sql_page,
    health,
    settings,
)
# Without an entry in the navigation.
OTHERS = (sign_in, filter_values, first_call, one_request, one_session)


def moved(request: Request, path: str) -> Response:
    """To another path of ours, with the filters that were asked for."""
    return RedirectResponse(str(request.url.replace(scheme="", netloc="", path=path)), 302)


def dashboard_routes(dashboard: Dashboard) -> list[BaseRoute]:
    """For the application that serves it: everything below BASE."""
    site = Site(dashboard, [module.PAGE for module in PAGES])

    async def start(request: Request) -> Response:
        return moved(request, f"{BASE}{PAGES[0].PAGE.path}")

    async def wrong(request: Request, error: Exception) -> Response:
        return _say(site, request, error)

    pages = Starlette(
        routes=[
            Route("/", start),
            *(route for module in (*PAGES, *OTHERS) for route in module.routes(site)),
            *files.routes(),
        ],
        exception_handlers=dict.fromkeys((ApiError, BadCondition, NotOurs, HTTPException, Exception), wrong),
    )
    return [Mount(BASE, Guard(pages, dashboard))]


def _say(site: Site, request: Request, error: Exception) -> Response:
    """What went wrong, as a page or, in place of a part, as a few words there."""
    status, message = 500, "heliograph could not answer this; its messages say more"
    if isinstance(error, ApiError):
        status, message = error.status, error.message
    elif isinstance(error, HTTPException):
        status, message = error.status_code, "There is no such page." if error.status_code == 404 else error.detail
    elif isinstance(error, BadCondition):
        status, message = 400, str(error)
    elif isinstance(error, NotOurs):
        print(f"heliograph: {error}", file=sys.stderr)
        status, message = 503, UNSAFE
    view = view_of(request)
    if "hx-request" in request.headers:  # htmx shows answers with 200 only
        return site.part("error_part.html", view, message=message)
    return site.page(request, "error.html", view, status=status, message=message)
