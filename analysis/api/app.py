"""The API's table of contents."""

import sys

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from addon.storage.folders import NotOurs
from analysis.api import (
    calls,
    clients,
    feedback,
    helicone_sql,
    logs,
    messages,
    metrics,
    otlp,
    prometheus,
    properties,
    sessions,
    users,
)
from analysis.api.envelope import UNSAFE, ApiError, error_answer
from analysis.api.filters import FilterError, FilterNotAnswerable
from analysis.api.openapi import openapi_route
from analysis.api.state import Api


def make_app(api: Api) -> Starlette:
    routes = [
        *calls.routes(api),
        *messages.routes(api),
        *feedback.routes(api),
        *sessions.routes(api),
        *users.routes(api),
        *properties.routes(api),
        *metrics.routes(api),
        *helicone_sql.routes(api),
        *prometheus.routes(api),
        *logs.routes(api),
        *otlp.routes(api),
        *clients.routes(api),
    ]
    return Starlette(
        routes=[*routes, openapi_route(routes)],
        exception_handlers={
            ApiError: _told,
            FilterError: _unreadable,
            NotOurs: _unsafe,
            HTTPException: _refused,
            Exception: _failed,
        },
    )


def _told(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error_answer(error.status, error.message)


def _unreadable(_: Request, error: Exception) -> Response:
    return error_answer(422 if isinstance(error, FilterNotAnswerable) else 400, str(error))


def _unsafe(_: Request, error: Exception) -> Response:
    print(f"heliograph: {error}", file=sys.stderr)
    return error_answer(503, UNSAFE)


def _refused(request: Request, error: Exception) -> Response:
    """What Starlette itself refuses: no such path, or not by this method."""
    assert isinstance(error, HTTPException)
    response = error_answer(error.status_code, f"{request.method} {request.url.path}: {error.detail}")
    response.headers.update(error.headers or {})  # Allow
    return response


def _failed(_: Request, error: Exception) -> Response:
    """A bug of ours; its traceback is on stderr."""
    return error_answer(500, f"{type(error).__name__}: heliograph could not answer this; its log says more")
