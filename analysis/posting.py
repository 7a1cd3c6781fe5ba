"""One JSON message to an address that the settings name. What went wrong is the answer, not an exception."""

import contextlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, Final

TIMEOUT_S: Final = 30.0


def post_json(url: str, body: bytes, headers: Mapping[str, str] | None = None) -> str | None:
    """What went wrong, or None: any 2xx is a success, a redirect is none."""
    told = {"content-type": "application/json", **(headers or {})}
    request = urllib.request.Request(url, data=body, headers=told, method="POST")
    try:
        with _OPENER.open(request, timeout=TIMEOUT_S):
            return None
    except urllib.error.HTTPError as error:
        with contextlib.closing(error):
            return f"HTTP {error.code}"
    except (OSError, ValueError, http.client.HTTPException) as error:  # URLError is an OSError; what is not HTTP is not
        said = f"{type(error).__name__}: {getattr(error, 'reason', None) or error}"
        return "".join(c for c in " ".join(said.split()) if c.isprintable())  # it may hold the receiver's first line


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER: Final = urllib.request.build_opener(_NoRedirect)
