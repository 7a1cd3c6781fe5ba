"""Access: which callers may use the proxy and its endpoints. Pure; the hooks act on the answer.

Without keys the endpoints answer only this machine, and never a web page that is open in a browser on it (DNS rebinding).
With keys (`[keys]` in heliograph.toml) an endpoint needs a key with the right role, and so does a proxied call.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from addon.config.keys import ROLES, Key, Role, hash_of


@dataclass(frozen=True, slots=True)
class Denial:
    """An HTTP status and a sentence that says what to do."""

    status: int
    message: str


def holder(keys: Sequence[Key], credential: str | None) -> Key | None:
    """The key that was sent, or None. Every key is compared, each in constant time."""
    given = hash_of((credential or "").removeprefix("Bearer ").strip())
    found = [key for key in keys if hmac.compare_digest(key.hash, given)]
    return found[0] if found else None


def may_call(keys: Sequence[Key], *credentials: str | None) -> bool:
    """Whether a proxied call may be sent. `credentials`: its Helicone-Auth, or the password of the proxy URL."""
    return not keys or any((key := holder(keys, each)) and "proxy" in key.roles for each in credentials if each)


def deny_endpoint(
    keys: Sequence[Key],
    role: Role,
    *,
    credentials: Sequence[str],
    is_local: bool,  # the peer is on this machine
    host_is_ours: bool | None,  # the requested host is a name of this machine or Helicone's; None: not known
    origin: str | None,
    fetch_site: str | None,
) -> Denial | None:
    """Why an endpoint refuses to answer, or None. `credentials` as they were sent, with or without `Bearer`."""
    if keys:
        held = [key for each in credentials if (key := holder(keys, each))]
        if not held:
            sent = any(credentials)
            return Denial(
                401,
                ("this key is unknown to this heliograph; " if sent else "no key was sent; ")
                + "send Authorization: Bearer with a key of this heliograph; `heliograph keys add` makes one",
            )
        if not any(role in key.roles for key in held):
            return Denial(
                403,
                f"the key {held[0].name!r} may only {_allowed(held[0])}; this needs the role {role}: "
                f"`heliograph keys add NAME --role {role}`",
            )
        return None
    if not is_local:
        return Denial(
            403,
            "endpoints answer this machine only, as long as there are no keys; make one with `heliograph keys add NAME`",
        )
    if origin is not None or fetch_site not in (None, "none", "same-origin" if host_is_ours else None):
        return Denial(403, "endpoints do not answer web pages")
    if host_is_ours is False:
        return Denial(403, "use localhost or 127.0.0.1 as the host: another name may belong to a hostile web page")
    return None


def _allowed(key: Key) -> str:
    return " and ".join(role for role in ROLES if role in key.roles)
