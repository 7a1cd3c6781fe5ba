"""Who may use what. Pure; the hooks act on the answer.

Without keys the endpoints answer this machine alone, and no web page that somebody opens on it (DNS rebinding). With keys
(`[keys]` in heliograph.toml) they need one with the right role, and so do proxied calls.
"""

import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from addon.routing.own_endpoints import Role

ROLES: Final[tuple[Role, ...]] = ("proxy", "write", "read")

_PREFIX: Final = "sha256:"
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HASH: Final = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Key:
    """Only its hash is kept: 144 random bits need no slow one."""

    name: str
    hash: str
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class Denial:
    """An HTTP status and a sentence that says what to do."""

    status: int
    message: str


def new_key() -> str:
    """A key of the shape that Helicone's own packages take for one."""
    letters = string.ascii_lowercase + string.digits
    groups = ("".join(secrets.choice(letters) for _ in range(7)) for _ in range(4))
    return f"sk-helicone-{'-'.join(groups)}"


def hash_of(key: str) -> str:
    return _PREFIX + hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()


def is_name(text: str) -> bool:
    """Whether a key can be called so: it stands in TOML as it is."""
    return _NAME.fullmatch(text) is not None


def parse_keys(tables: Mapping[str, Any]) -> tuple[Key, ...]:
    """The keys of `[keys.NAME]` sections. Raises ValueError with what is wrong."""
    return tuple(_key(name, table) for name, table in tables.items())


def _key(name: str, table: object) -> Key:
    if not isinstance(table, dict):
        raise ValueError(f"keys.{name}: {table!r} is not a table; run `heliograph keys add {name}`")
    if unknown := [item for item in table if item not in ("hash", "roles")]:
        raise ValueError(f"keys.{name}.{unknown[0]}: unknown; allowed are hash, roles")
    hashed, roles = table.get("hash"), table.get("roles")
    if not isinstance(hashed, str) or not _HASH.fullmatch(hashed):
        raise ValueError(f"keys.{name}.hash: not a hash of a key; run `heliograph keys add`, which makes both")
    if not isinstance(roles, list) or not roles or not all(role in ROLES for role in roles):
        raise ValueError(f"keys.{name}.roles: {roles!r} is not a list of roles; allowed are {', '.join(ROLES)}")
    return Key(name, hashed, frozenset(roles))


def holder(keys: Sequence[Key], credential: str | None) -> Key | None:
    """Whose key it is. Every key is compared, each in constant time."""
    given = hash_of((credential or "").removeprefix("Bearer ").strip())
    found = [key for key in keys if hmac.compare_digest(key.hash, given)]
    return found[0] if found else None


def may_call(keys: Sequence[Key], *credentials: str | None) -> bool:
    """Whether a proxied call may go out, by Helicone-Auth or by the password of the proxy URL."""
    return not keys or any((key := holder(keys, each)) and "proxy" in key.roles for each in credentials if each)


def deny_endpoint(
    keys: Sequence[Key],
    role: Role,
    *,
    credentials: Sequence[str],
    is_local: bool,  # the peer is on this machine
    host_is_ours: bool | None,  # the host that was asked for is a name of this machine, or Helicone's; None: not known
    origin: str | None,
    fetch_site: str | None,
) -> Denial | None:
    """Why an endpoint does not answer; None: it does. `credentials` as they came, with or without `Bearer`."""
    if keys:
        held = [key for each in credentials if (key := holder(keys, each))]
        if not held:
            return Denial(
                401, "send Authorization: Bearer with a key of this heliograph; `heliograph keys add` makes one"
            )
        if not any(role in key.roles for key in held):
            return Denial(
                403, f"the key {held[0].name} lacks the role {role}; `heliograph keys add NAME --role {role}`"
            )
        return None
    if not is_local:
        return Denial(403, "endpoints answer this machine only, until there are keys: `heliograph keys add NAME`")
    if origin is not None or fetch_site not in (None, "none", "same-origin" if host_is_ours else None):
        return Denial(403, "endpoints do not answer web pages")
    if host_is_ours is False:
        return Denial(403, "ask for localhost or 127.0.0.1: other names may be somebody else's web page")
    return None
