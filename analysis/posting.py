"""One message to an address that the settings name. What went wrong is the answer, not an exception."""

import contextlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

TIMEOUT_S: Final = 30.0
MOST_ANSWER_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes  # its beginning

    @property
    def is_success(self) -> bool:
        """Any 2xx; a redirect is none."""
        return 200 <= self.status < 300


def post_json(url: str, body: bytes, headers: Mapping[str, str] | None = None) -> str | None:
    """What went wrong, or None: any 2xx is a success, a redirect is none."""
    answer = post(url, body, {"content-type": "application/json", **(headers or {})})
    if isinstance(answer, str):
        return answer
    return None if answer.is_success else f"HTTP {answer.status}"


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer | str:
    """The answer; or why there is none."""
    request = urllib.request.Request(url, data=body, headers=dict(headers), method="POST")
    try:
        with _OPENER.open(request, timeout=TIMEOUT_S) as answer:
            return Answer(answer.status, answer.headers, answer.read(MOST_ANSWER_BYTES))
    except urllib.error.HTTPError as error:
        with contextlib.closing(error):
            return Answer(error.code, dict(error.headers), b"")
    except (OSError, ValueError, http.client.HTTPException) as error:  # URLError is an OSError; what is not HTTP is not
        said = f"{type(error).__name__}: {getattr(error, 'reason', None) or error}"
        return "".join(c for c in " ".join(said.split()) if c.isprintable())  # it may hold the receiver's first line


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER: Final = urllib.request.build_opener(_NoRedirect)
