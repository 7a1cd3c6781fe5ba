"""What every answer looks like: `{"data": ..., "error": null}`, or `{"data": null, "error": "what to do"}`."""

from typing import Final

import orjson
from starlette.responses import Response

# The reason names a path of this machine: it is for the owner, on stderr.
UNSAFE: Final = "other users can change the files of this heliograph, so they are not read; its messages say what to do"


class ApiError(Exception):
    """Becomes the answer: an HTTP status and a sentence that names the field and says what is allowed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def answer(data: object, status: int = 200) -> Response:
    return _json({"data": data, "error": None}, status)


def error_answer(status: int, message: str) -> Response:
    return _json({"data": None, "error": message}, status)


def _json(value: object, status: int) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")
