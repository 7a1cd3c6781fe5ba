"""What people send by a form: a few short fields."""

from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from analysis.api.envelope import ApiError

MOST_BYTES: Final = 64 * 2**10


async def read_form(request: Request) -> dict[str, str]:
    """The fields, the last of a name. Raises ApiError 413."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            raise ApiError(413, "this form is longer than any that a page has")
    return dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
