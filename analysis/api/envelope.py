"""What every answer looks like: `{"data": ..., "error": null}`, or `{"data": null, "error": "what to do"}`."""

from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

MOST_BYTES: Final = 64 * 1024  # of a request that is no log


class ApiError(Exception):
    """Becomes the answer: an HTTP status and a sentence that names the field and says what is allowed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def answer(data: object, status: int = 200) -> Response:
    return _json({"data": data, "error": None}, status)


def error_answer(status: int, message: str) -> Response:
    return _json({"data": None, "error": message}, status)


async def read_bytes(request: Request, most_bytes: int = MOST_BYTES) -> bytes:
    """The request's body. Raises ApiError 413 once it is longer than that, without reading the rest."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most_bytes:
            raise ApiError(413, f"the body is longer than {most_bytes} bytes")
    return bytes(body)


async def read_object(request: Request, most_bytes: int = MOST_BYTES) -> dict[str, Any]:
    """The request's body, which must be a JSON object. Raises ApiError."""
    try:
        body = orjson.loads(await read_bytes(request, most_bytes))
    except orjson.JSONDecodeError as error:
        raise ApiError(400, f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise ApiError(400, "the body is not a JSON object")
    return body


def _json(value: object, status: int) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")
