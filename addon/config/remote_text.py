"""Asks for the text of settings that have a URL: https, or an object of a store. Bounded in time and size."""

import http.client
import os
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any, Final
from urllib.parse import urlsplit, urlunsplit

from addon.config.places import BUNDLE_NAME
from addon.config.trust import OF_YOUR_OWN
from addon.objects.store import NotThere, Store, StoreTrouble, Unchanged, is_url

HEADER: Final = "HELIOGRAPH_CONFIG_HEADER"  # `Name: value`, sent with each request: a token
ALLOW_HTTP: Final = "HELIOGRAPH_CONFIG_ALLOW_HTTP"  # "1": also over http to other machines
EXAMPLE: Final = "https://config.example.org/heliograph.toml"
MOST_BYTES: Final = 2**20
# A key is removed everywhere within a minute: two of these, a request that fails in between, and a second to look.
EVERY_S: Final = 20.0
_STEP_S: Final = 5.0  # for a connection, and for each piece of the answer
_WHOLE_S: Final = 10.0
_PIECE_BYTES: Final = 2**16
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e]+)")
_MAX_AGE: Final = re.compile(r"(?:^|[\s,])max-age=(\d{1,9})(?:[\s,]|$)")


class Unreachable(Exception):
    """The text could not be had. The message says why and what to do; it shows no secret."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address said."""

    text: str | None  # None: as before
    etag: str | None
    again_after_s: float


def is_remote(given: str) -> bool:
    return "://" in given


def checked_url(url: str, environ: Mapping[str, str]) -> str:
    """Raises ValueError that says what is allowed."""
    if is_url(url):
        return url
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"it is not an address of settings; write e.g. {EXAMPLE} or s3://bucket/heliograph.toml")
    if parts.username or parts.password:
        raise ValueError(
            f'take the user out of the URL, others can see it; set {HEADER}="Authorization: Basic ..." instead'
        )
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK and environ.get(ALLOW_HTTP) != "1":
        raise ValueError(
            f"over http anybody on the way can change keys and limits; use https, or set {ALLOW_HTTP}=1 in a network of your own"
        )
    return url


def shown(url: str) -> str:
    """Without user and query, which may be a password or a signature."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def ask(url: str, etag: str | None, environ: Mapping[str, str]) -> Asked:
    """The text, unless it is still the one of `etag`. Blocks for some seconds at most. Raises Unreachable."""
    try:
        data, etag, again_after_s = _of_store(url, etag) if is_url(url) else _of_http(url, etag, environ)
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"{shown(url)} cannot be reached: {_reason(error)}") from error
    except ValueError as error:
        raise Unreachable(f"{shown(url)}: {error}") from error
    if data is None:
        return Asked(None, etag, again_after_s)
    if len(data) > MOST_BYTES:
        raise Unreachable(f"{shown(url)} is larger than {MOST_BYTES >> 20} MiB: these are not settings")
    if not data.strip():
        raise Unreachable(f"{shown(url)} is empty; for settings without a section write a comment, e.g. # none")
    try:
        return Asked(data.decode(), etag, again_after_s)
    except UnicodeDecodeError as error:
        raise Unreachable(f"{shown(url)} is not TOML: {error}") from error


def _of_store(url: str, etag: str | None) -> tuple[bytes | None, str | None, float]:
    folder, _, name = url.rpartition("/")
    try:
        data, etag = Store(folder, patience_s=_STEP_S).get_changed(name, etag, MOST_BYTES)
        return data, etag, EVERY_S
    except Unchanged:
        return None, etag, EVERY_S
    except NotThere as error:
        raise Unreachable(f"{url}: there is no such object; put the settings there") from error
    except StoreTrouble as error:
        raise Unreachable(str(error)) from error


def _of_http(url: str, etag: str | None, environ: Mapping[str, str]) -> tuple[bytes | None, str | None, float]:
    """Raises OSError, HTTPException, ValueError."""
    checked_url(url, environ)
    request = urllib.request.Request(url, headers={"User-Agent": "heliograph", "Accept-Encoding": "identity"})
    if etag:
        request.add_header("If-None-Match", etag)
    if header := environ.get(HEADER):
        found = _HEADER.fullmatch(header)
        if found is None:
            raise ValueError(f'${HEADER} is not a header; write e.g. {HEADER}="Authorization: Bearer TOKEN"')
        request.add_header(found[1], found[2])
    deadline = time.monotonic() + _WHOLE_S
    try:
        with _opener(url, environ).open(request, timeout=_STEP_S) as answer:
            return _body(answer, deadline), answer.headers.get("ETag"), _pause_s(answer.headers.get("Cache-Control"))
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 304:
                return None, etag, _pause_s(error.headers.get("Cache-Control"))
            raise ValueError(_refused(error.code, error.headers.get("Location"))) from None


def _body(answer: http.client.HTTPResponse, deadline: float) -> bytes:
    body = bytearray()
    while (piece := answer.read1(_PIECE_BYTES)) and len(body) <= MOST_BYTES:
        body += piece
        if time.monotonic() > deadline:
            raise ValueError(f"the answer took longer than {_WHOLE_S:.0f} s")
    length = answer.headers.get("Content-Length", "")
    if length.isdigit() and len(body) < min(int(length), MOST_BYTES):
        raise ValueError("the answer broke off")
    return bytes(body)


def _pause_s(cache_control: str | None) -> float:
    """A server may want to be asked more often (`max-age`), not more seldom."""
    found = _MAX_AGE.search((cache_control or "").lower())
    return min(float(found[1]) or EVERY_S, EVERY_S) if found else EVERY_S


def _refused(status: int, location: str | None) -> str:
    if location and 300 <= status < 400:
        return f"it says that the settings are at {shown(location)}; write that address (redirects are not followed)"
    if status in (401, 403):
        return f"it refuses to answer ({status}); set {HEADER} to what it asks for, e.g. Authorization: Bearer TOKEN"
    if status == 404:
        return "there is nothing (404); put the settings there, or correct the address"
    return f"it answered with {status}"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The header with the token would go to another host."""

    def redirect_request(self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, *more: Any) -> None:
        return None


def _opener(url: str, environ: Mapping[str, str]) -> urllib.request.OpenerDirector:
    """Through the proxy that this shell used before us, if there is one, and never through ourselves."""
    is_ours = environ.get("NODE_EXTRA_CA_CERTS", "").endswith(f"/{BUNDLE_NAME}")
    is_near = urlsplit(url).hostname in _LOOPBACK
    return urllib.request.build_opener(urllib.request.ProxyHandler({} if is_ours or is_near else None), _NoRedirect)


def _reason(error: Exception) -> str:
    inner = getattr(error, "reason", error)
    if isinstance(inner, ssl.SSLCertVerificationError):  # its errno is not one of the system's
        return f"its certificate is not trusted: {inner.verify_message}; {OF_YOUR_OWN}"
    if isinstance(inner, ssl.SSLError):
        return f"no TLS connection: {inner.reason or inner}"
    if isinstance(inner, OSError) and inner.errno and inner.errno > 0:
        return os.strerror(inner.errno).lower()
    return str(inner) or type(inner).__name__
