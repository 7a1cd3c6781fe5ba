"""Bounds on the head of a request, and what we refuse in one, whichever HTTP version brought it. Pure."""

import re
from typing import Final

from mitmproxy import http

# Node allows 16 KiB in all, nginx 32 KiB, most others 64 KiB; `Helicone-Fallbacks` alone may have 64 KiB.
LONGEST_HEAD: Final = 128 * 2**10  # bytes
LONGEST_LINE: Final = 72 * 2**10  # bytes, of one header or the request line
MOST_HEADERS: Final = 200
LONGEST_PIPELINED: Final = 2**20  # bytes that come while the request before them is being answered

_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_TOKENS: Final = re.compile(rb"%b(?:,%b)*" % (_TOKEN.pattern, _TOKEN.pattern))  # "," is not in a token
# A fragment is never sent (RFC 9112, 3.2); some servers drop it, and serve the path before it.
_ODD_IN_TARGET: Final = re.compile(rb"[\x00-\x20\x7f#]")
# Some servers strip more than blanks and tabs from a value, others do not: they would frame a body differently.
_ODD_IN_VALUE: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_ODD_IN_AUTHORITY: Final = re.compile(rb"[\x00-\x20\x7f/\\?#<>]")


def too_much(fields: tuple[tuple[bytes, bytes], ...], target_bytes: int) -> str | None:
    """Which bound a head exceeds; None: none."""
    if len(fields) > MOST_HEADERS:
        return f"more than {MOST_HEADERS} headers"
    lengths = [len(name) + len(value) for name, value in fields]
    if max((target_bytes, *lengths)) > LONGEST_LINE:
        return f"a header or the request line is longer than {LONGEST_LINE} bytes"
    return f"the headers are longer than {LONGEST_HEAD} bytes" if sum(lengths) > LONGEST_HEAD else None


def odd_request(request: http.Request) -> str | None:
    """What in a request could be read as something else by the next server; None: nothing. HTTP/2 can carry bytes that in
    HTTP/1 would end a line or begin another request."""
    data, fields = request.data, request.data.headers.fields
    is_connect = data.method == b"CONNECT"
    if not _TOKEN.fullmatch(data.method):
        return "the method has characters that it must not have"
    if _ODD_IN_TARGET.search(data.path) or not (is_connect or data.path.startswith(b"/") or _is_asterisk(data)):
        return "the path does not begin with /, or has blanks, control characters or a #"
    if _ODD_IN_AUTHORITY.search(data.authority) or b"@" in data.authority:
        return "the host has characters that it must not have"
    names, values = b",".join([name for name, _ in fields]), b"".join([value for _, value in fields])
    if (fields and not _TOKENS.fullmatch(names)) or _ODD_IN_VALUE.search(values):
        return "a header has characters that it must not have"
    return None


def _is_asterisk(data: http.RequestData) -> bool:
    return data.path == b"*" and data.method == b"OPTIONS"  # RFC 9112, 3.2.4
