"""The bodies of a call, as its row in `bodies` has them: decoded, as text."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pybase64

from addon.metering.content_coding import decode
from addon.sending.fallbacks import overridden_body
from addon.settling.journal_reader import Call
from addon.storage.record import BodyRow, made_of

# What is kept of a body at most, decoded: as much as is kept on the wire unless the settings say otherwise.
LONGEST_BODY_BYTES: Final = 16 * 2**20


@dataclass(slots=True)
class Bodies:
    """The bodies of a call, decoded. `truncated`: the end of a body was not kept, on the wire or here."""

    request: bytes
    response: bytes
    response_is_whole: bool  # nothing is missing from its coding
    request_truncated: bool
    response_truncated: bool


def decoded(call: Call) -> Bodies:
    """Both bodies without their content coding, up to a bound."""
    start, end = call.start, call.end
    request, request_is_whole = decode(call.request, start.content_encoding, LONGEST_BODY_BYTES)
    response, is_whole = decode(call.response, end.content_encoding if end else None, LONGEST_BODY_BYTES)
    return Bodies(
        request,
        response,
        is_whole,
        end is not None and (end.request_truncated or _overflowed(request, request_is_whole)),
        end is not None and (end.response_truncated or _overflowed(response, is_whole)),
    )


def raw(call: Call) -> Bodies:
    """Both bodies as they came."""
    end = call.end
    truncated = (end.request_truncated, end.response_truncated) if end else (False, False)
    return Bodies(call.request, call.response, False, *truncated)


def body_row(call: Call, bodies: Bodies, text: str | None, started_at: datetime) -> BodyRow:
    """`text`: the words of the answer."""
    start, end = call.start, call.end
    request_cut = end is None or bodies.request_truncated
    response_cut = end is None or bodies.response_truncated or not end.complete
    response_type = end.content_type if end else None
    columns = {
        "request_id": start.request_id,
        "started_at": started_at,
        "request_body": None if start.omit_request else body_text(bodies.request, start.content_type, request_cut),
        "response_body": None if start.omit_response else body_text(bodies.response, response_type, response_cut),
        "response_text": None if start.omit_response else text,
        "request_truncated": bodies.request_truncated,
        "response_truncated": bodies.response_truncated,
        "request_headers": start.headers,
        "response_headers": end.kept_headers | end.answer_headers if end else {},
        "response_piece_times": end.piece_times if end else None,
    }
    return made_of(BodyRow, columns)


def overridden(body: bytes, overrides: Mapping[str, str]) -> bytes:
    """The body as it was sent; of one that was cut, or is in no file, what there is."""
    try:
        return overridden_body(body, None, overrides)
    except ValueError:
        return body


def _overflowed(body: bytes, is_complete: bool) -> bool:
    """Whether decoding stopped at the bound."""
    return not is_complete and len(body) == LONGEST_BODY_BYTES


def body_text(body: bytes, content_type: str | None, is_cut: bool = False) -> str | None:
    """A body as text, of a cut one without its last half character; what is not UTF-8 as a `data:` URL; b"" as None."""
    if not body:
        return None
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        if is_cut and error.reason == "unexpected end of data":
            return body[: error.start].decode()
        kind = (content_type or "application/octet-stream").replace(" ", "")
        return f"data:{kind};base64,{pybase64.b64encode_as_string(body)}"
