"""A session's id in the address of its page. An id may have any characters; most have harmless ones and stay readable."""

import base64
import binascii
import re
from typing import Final

_PLAIN: Final = re.compile(r"[A-Za-z0-9_.:@=-]{1,200}")
_DOTS: Final = re.compile(r"\.+")  # a browser takes them for folders


def session_key(session_id: str) -> str:
    if _PLAIN.fullmatch(session_id) and not _DOTS.fullmatch(session_id):
        return session_id
    return "~" + base64.urlsafe_b64encode(session_id.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def read_session_key(key: str) -> str | None:
    """None: not such a key."""
    if not key.startswith("~"):
        return key
    try:
        return base64.urlsafe_b64decode(key[1:] + "=" * (-len(key[1:]) % 4)).decode("utf-8", "surrogatepass")
    except (binascii.Error, ValueError):
        return None


def session_path_of(session_id: str | None) -> str | None:
    """The page's path; None: the call has no session."""
    return None if session_id is None else f"/sessions/{session_key(session_id)}"
