"""Signed sessions: the cookie of a person who signed in with a key, and the token that forms carry. Pure.

The cookie has the name of the key and when the session ends, signed with the data folder's secret and the key's hash: it
says nothing about the key, and it ends when the key is removed or changed.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from addon.config.keys import ROLES, Key

COOKIE: Final = "heliograph_session"
LASTS_S: Final = 12 * 3600  # a working day
SET_BACK_S: Final = 300  # that a clock may be set back while sessions last
_CONTEXT: Final = b"heliograph dashboard session\0"
_CSRF_CONTEXT: Final = b"heliograph dashboard form\0"


@dataclass(frozen=True, slots=True)
class Viewer:
    """The person in front of a page. `name`: of the key; None: no keys are configured, and every browser on this machine may read."""

    name: str | None
    roles: frozenset[str]
    csrf: str

    @property
    def may_write(self) -> bool:
        return "write" in self.roles


def make_session(secret: bytes, key: Key, now: float) -> str:
    ends = int(now) + LASTS_S
    return f"{key.name}.{ends}.{_signature(secret, key, ends)}"


def read_session(secret: bytes, keys: Sequence[Key], session: str, now: float) -> Key | None:
    """The key that the session was made with, if it still is one and may read."""
    name, _, rest = session.partition(".")
    ends, _, signature = rest.partition(".")
    key = next((key for key in keys if key.name == name), None)
    if key is None or not (ends.isascii() and ends.isdigit() and len(ends) < 20):
        return None
    # One that ends later than any made now was made by a clock that was ahead; it would last as much too long.
    if not now <= int(ends) <= now + LASTS_S + SET_BACK_S:
        return None
    is_ours = hmac.compare_digest(_signature(secret, key, int(ends)), signature.encode(errors="replace").decode())
    return key if is_ours and "read" in key.roles else None


def csrf_token(secret: bytes, session: str) -> str:
    """`session`: the cookie; empty where there are no keys."""
    return hmac.new(secret, _CSRF_CONTEXT + session.encode(errors="replace"), sha256).hexdigest()


def viewer_of(secret: bytes, keys: Sequence[Key], session: str, now: float) -> Viewer | None:
    """The person that a session stands for; None: sign in first."""
    if not keys:
        return Viewer(None, frozenset(ROLES), csrf_token(secret, ""))
    key = read_session(secret, keys, session, now)
    return Viewer(key.name, key.roles, csrf_token(secret, session)) if key else None


def _signature(secret: bytes, key: Key, ends: int) -> str:
    said = b"\0".join((_CONTEXT, key.name.encode(), str(ends).encode(), key.hash.encode()))
    return hmac.new(secret, said, sha256).hexdigest()
