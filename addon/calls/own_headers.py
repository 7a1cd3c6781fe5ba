"""What of a request is for this proxy alone, and is not sent on."""

from typing import Final

from mitmproxy import http

from addon.config import controls

_OURS: Final = (controls.PREFIX.encode(), controls.PROXY_AUTHORIZATION.encode())


def take_off(headers: http.Headers) -> None:
    """Remove what is for this proxy alone: `Helicone-*` and `Proxy-Authorization`, nothing else."""
    kept = tuple([field for field in headers.fields if not field[0].lower().startswith(_OURS)])
    if len(kept) < len(headers.fields):
        headers.fields = kept
