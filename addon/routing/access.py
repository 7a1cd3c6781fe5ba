"""Access: which callers may use the proxy and its endpoints. Pure; the hooks act on the answer.

Without keys the endpoints answer only this machine, and only under a name that is ours (DNS rebinding). Web pages are
refused before, in `browsers.py`.
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


def deny_endpoint(
    keys: Sequence[Key],
    role: Role,
    *,
    credentials: Sequence[str],
    is_local: bool,  # the peer is on this machine
    host_is_ours: bool,  # the requested host is a name of this machine or Helicone's
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
    if not host_is_ours:
        return Denial(403, unknown_host())
    return None


def why_no_call(held: Key | None, was_sent: bool) -> str:
    """Why a proxied call is refused. `held`: a key of ours that came with it and may not call; `was_sent`: some key came."""
    if held:
        return (
            f"the key {held.name!r} may only {_allowed(held)}; a call needs the role proxy: "
            "`heliograph keys add NAME --role proxy`"
        )
    start = (
        "this key is unknown to this heliograph" if was_sent else "this heliograph asks for a key, and none was sent"
    )
    return (
        f"{start}; send Helicone-Auth: Bearer KEY, or put it into the proxy URL as its password; "
        "`heliograph keys add NAME` makes one"
    )


def unknown_host() -> str:
    return (
        "use localhost or 127.0.0.1 as the host: another name may belong to a hostile web page; names of this heliograph "
        "are in [hosts] allow in heliograph.toml"
    )


def _allowed(key: Key) -> str:
    return " and ".join(role for role in ROLES if role in key.roles)
