"""Calls that a program logs after the fact, as JSON: the endpoints of Helicone's manual loggers."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from addon.config import controls
from addon.intake.log_format import LogError, read_log
from addon.intake.logged import Logged, write
from addon.providers.fields import parse
from analysis.api.bodies import check_json
from analysis.api.envelope import ApiError
from analysis.api.openapi import INTEGER, NUMBER, TEXT, documented, record
from analysis.api.state import Api

MOST_BYTES: Final = 10 * 2**20  # Helicone's own
ENDPOINTS: Final = ("oai", "anthropic", "googleapis", "custom")  # each the provider that it is for, or none


_LOG: Final = {
    "type": "object",
    "properties": {
        "providerRequest": record(url=TEXT, json={"type": "object"}, meta={"type": "object"}),
        "providerResponse": {
            "type": "object",
            "properties": {
                "json": {},
                "textBody": TEXT,
                "status": INTEGER,
                "headers": {"type": "object"},
                "cost": NUMBER,
            },
            "required": ["status"],
        },
        "timing": {"type": "object", "description": "startTime, endTime, timeToFirstToken (ms after startTime)"},
        "provider": TEXT,
    },
    "required": ["providerRequest", "providerResponse"],
}


def routes(api: Api) -> list[Route]:
    about: dict[str, Any] = {"summary": "Log a call after the fact", "body": _LOG}
    taken = {
        "responses": {
            "200": {"description": "ok"},
            "400": {"description": "What is wrong, field by field"},
            "413": {"description": "Too long, nested too deep, or too many values"},
        }
    }
    noted = {"responses": {"204": {"description": "Taken"}, "400": taken["responses"]["400"]}}
    return [
        *(
            documented(f"/{name}/v1/log", _log(api, None if name == "custom" else name), replaced=taken, **about)
            for name in ENDPOINTS
        ),
        documented("/v1/trace/custom/v1/log", _log(api, None), replaced=taken, **about),
        documented("/v1/trace/custom/log", _log(api, None, status=204), replaced=noted, **about),
        documented("/v1/trace/custom/log/typed", _typed(api), replaced=taken, **about),
    ]


def _log(api: Api, endpoint: str | None, status: int = 200) -> Callable[[Request], Awaitable[Response]]:
    async def log(request: Request) -> Response:
        try:
            call = await _take(api, request, endpoint)
        except LogError as error:
            raise ApiError(400, str(error)) from error
        return _answer(api, call, status)

    return log


def _typed(api: Api) -> Callable[[Request], Awaitable[Response]]:
    """The same with times as text, and with an answer of its own to what is wrong."""

    async def typed(request: Request) -> Response:
        try:
            call = await _take(api, request, None)
        except LogError as error:
            errors = [{"field": field, "message": message} for field, message in error.errors]
            return JSONResponse({"isValid": False, "errors": errors}, 400)
        return _answer(api, call, 200)

    return typed


async def _take(api: Api, request: Request, endpoint: str | None) -> Logged:
    """Reads the log, journals its call. Raises LogError and ApiError."""
    headers = request.headers.items()

    def read(body: bytes) -> Logged:
        check_json(body)
        log = parse(body, most_values=None)
        if not isinstance(log, dict):
            raise ApiError(400, "the body is not a JSON object")
        return read_log(log, headers, endpoint=endpoint, secret=api.secret, now_us=time.time_ns() // 1000)

    call = await api.long_bodies.read(request, MOST_BYTES, read)
    write(api.journal, call, api.settings.max_body_bytes)
    return call


def _answer(api: Api, call: Logged, status: int) -> Response:
    response = PlainTextResponse("ok", status) if status == 200 else Response(status_code=status)
    response.headers[controls.ID] = call.start.request_id
    if warnings := [*call.warnings, *refusal(api)]:
        response.headers[controls.WARNING] = "; ".join(warnings)
    return response


def refusal(api: Api) -> list[str]:
    """A warning, where the disk refuses what is logged."""
    return ["the journal cannot be written; this may not be recorded"] if api.journal.is_refused else []
