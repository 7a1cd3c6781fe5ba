"""What mitmproxy looks up or makes anew for each call, made cheap: some thirty headers, the length of a body, the parts of the
authority, contexts.

Relies on its internals (read on 12.2.3): the methods of `Headers` and `Context` that are replaced here, and that
`http1.expected_http_body_size` and `url.parse_authority` are looked up by name.
"""

from typing import Any, Final

from mitmproxy.http import Headers, Request, Response
from mitmproxy.net.http import http1, url
from mitmproxy.net.http.http1.read import expected_http_body_size as _expected_body_size
from mitmproxy.net.http.url import parse_authority as _parse_authority
from mitmproxy.proxy.context import Context

from addon.remember import remember_short

_ENCODING: Final = ("utf-8", "surrogateescape")


def mend() -> None:
    """Put these look-ups in the place of mitmproxy's. They find the same."""
    Headers.get_all = _get_all  # type: ignore[method-assign, assignment]
    Headers.get = _get  # type: ignore[method-assign, assignment]
    Headers.__contains__ = _contains  # type: ignore[method-assign, assignment]
    Headers.__setitem__ = _set  # type: ignore[method-assign, assignment]
    Headers.__bytes__ = _lines  # type: ignore[method-assign, assignment]
    http1.expected_http_body_size = _body_size
    url.parse_authority = _authority
    Context.fork = _fork  # type: ignore[method-assign, assignment]


# Headers: names are compared in any case, the values of one name are joined by commas, and bytes that are not UTF-8 become
# surrogates. mitmproxy calls three functions for each header that it passes. Here the fields are gone through once, until
# they are others (a tuple that is replaced, never changed).

_BY_NAME: Final = "_heliograph_by_name"


def _by_name(headers: Headers) -> dict[bytes, list[bytes]]:
    """The values of each name in lower case."""
    fields = headers.fields
    known = headers.__dict__.get(_BY_NAME)
    if known is not None and known[0] is fields:
        return known[1]  # type: ignore[no-any-return]
    found: dict[bytes, list[bytes]] = {}
    for key, value in fields:
        found.setdefault(key.lower(), []).append(value)
    headers.__dict__[_BY_NAME] = fields, found
    return found


def _get_all(headers: Headers, name: str | bytes) -> list[str]:
    return [value.decode(*_ENCODING) for value in _by_name(headers).get(_bytes(name).lower(), ())]


def _get(headers: Headers, name: str | bytes, default: Any = None) -> Any:
    values = _by_name(headers).get(_bytes(name).lower())
    return b", ".join(values).decode(*_ENCODING) if values else default


def _contains(headers: Headers, name: str | bytes) -> bool:
    return _bytes(name).lower() in _by_name(headers)


def _set(headers: Headers, name: str | bytes, value: str | bytes) -> None:
    """The first header of that name keeps its place and spelling, others of it are removed."""
    known, spelled, given = _by_name(headers), _bytes(name), _bytes(value)
    wanted, fields = spelled.lower(), headers.fields
    if wanted not in known:
        fields = (*fields, (spelled, given))
    else:
        first, *others = [place for place, (key, _) in enumerate(fields) if key.lower() == wanted]
        behind = fields[first + 1 :]
        if others:
            behind = tuple(field for field in behind if field[0].lower() != wanted)
        fields = (*fields[:first], (fields[first][0], given), *behind)
    headers.fields = fields
    headers.__dict__[_BY_NAME] = fields, {**known, wanted: [given]}


def _lines(headers: Headers) -> bytes:
    return b"".join([b"%b: %b\r\n" % field for field in headers.fields])


def _bytes(text: str | bytes) -> bytes:
    return text.encode(*_ENCODING) if isinstance(text, str) else text


# The length of a body: asked five times a call. Nearly always one header says it.


def _body_size(request: Request, response: Response | None = None) -> int | None:
    by_name = _by_name((response or request).headers)
    stated = by_name.get(b"content-length", [])
    is_plain = (
        len(stated) == 1 and b"transfer-encoding" not in by_name and stated[0].isdigit() and stated[0][0] != _ZERO
    )
    if is_plain and (response is None or (response.status_code == _OK and request.data.method in _WITH_ANSWER)):
        return int(stated[0])
    return _expected_body_size(request, response)


_ZERO: Final = ord("0")
_OK: Final = 200
_WITH_ANSWER: Final = (b"POST", b"GET")  # of HEAD and CONNECT an answer has no body


# The authority: its host is encoded for DNS and matched label by label.


@remember_short(256)
def _good_authority(authority: str) -> tuple[str, int | None]:
    return _parse_authority(authority, check=True)


def _authority(authority: str | bytes, check: bool) -> tuple[str, int | None]:
    if check and isinstance(authority, str):
        return _good_authority(authority)
    return _parse_authority(authority, check)  # type: ignore[type-var]


# Contexts: mitmproxy makes a server connection, with a random id, for each copy of a context, and drops it at once.


def _fork(context: Context) -> Context:
    forked = Context.__new__(Context)
    forked.__dict__.update(context.__dict__, layers=context.layers.copy())
    return forked
