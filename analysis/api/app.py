"""The API's table of contents."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from analysis.api import feedback
from analysis.api.envelope import ApiError, error_answer
from analysis.api.state import Api


def make_app(api: Api) -> Starlette:
    return Starlette(
        routes=[*feedback.routes(api)],
        exception_handlers={ApiError: _told, HTTPException: _refused, Exception: _failed},
    )


def _told(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error_answer(error.status, error.message)


def _refused(request: Request, error: Exception) -> Response:
    """What Starlette itself refuses: no such path, or not by this method."""
    assert isinstance(error, HTTPException)
    return error_answer(error.status_code, f"{request.method} {request.url.path}: {error.detail}")


def _failed(_: Request, error: Exception) -> Response:
    """A bug of ours; its traceback is on stderr."""
    return error_answer(500, f"{type(error).__name__}: heliograph could not answer this; its log says more")
