"""Requests that name another method than the one that they are sent with. Pure; linear in headers and query.

Some servers, Google's among them, execute `GET` with `X-HTTP-Method-Override: POST` as a POST. Others do not know the header.
Source: https://cloud.google.com/apis/docs/system-parameters
"""

from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qsl

_HEADERS: Final = frozenset(
    {
        *(b"x-http-method-override", b"x-http-method", b"x-method-override"),
        *(b"x-goog-http-method-override", b"x-goog-method-override"),
    }
)
_PARAMETERS: Final = frozenset({"$httpmethod", "_method", "x-http-method-override"})


def other_methods(method: str, fields: Iterable[tuple[bytes, bytes]], query: str) -> list[str]:
    """The methods, in upper case, that the request may be executed with beside `method`, each once. Usually none.
    `fields`: the headers, names and values; `query` without its `?`."""
    named = [
        value.decode(errors="replace")
        for name, value in fields
        if b"method" in (lower := name.lower())
        and lower.replace(b"_", b"-") in _HEADERS  # nearly every header has none
    ]
    if query:
        named += [value for name, value in parse_qsl(query) if name.lower() in _PARAMETERS]
    methods = dict.fromkeys(part.strip().upper() for value in named for part in value.split(","))
    if not method.isupper():  # methods are case-sensitive, and not every server knows
        methods[method.upper()] = None
    return [other for other in methods if other and other != method]
