"""The Redis that several proxies share: `[shared]` in heliograph.toml."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from addon.sending.fallbacks import with_quoted_variables

SCHEMES: Final = (
    *("redis", "rediss", "unix"),
    *("redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel"),
)
EXAMPLE: Final = "redis://127.0.0.1:6379/0"
_PREFIX: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    url: str = field(repr=False)  # `$NAME` in it is that environment variable
    prefix: str = "heliograph"  # of all keys: two fleets on one Redis have different ones
    timeout_ms: int = 50  # that a call waits for Redis at most

    def opened_url(self, environ: Mapping[str, str]) -> str:
        """With its variables replaced: percent-encoded where they are a part of it, as they are where the whole URL is one.
        Raises ValueError where a variable is not set, or the URL is not one."""
        return checked_url(with_quoted_variables(self.url, environ))


def checked_url(url: str) -> str:
    """Raises ValueError; the message does not show the URL, which may have a password in it."""
    try:
        parts = urlsplit(url)
        path = parts.path.strip("/")
        hosts = parts.netloc.rpartition("@")[2]
    except ValueError as error:
        raise ValueError(f"it is not a URL ({error}); write e.g. {EXAMPLE}") from error
    if parts.scheme not in SCHEMES:
        raise ValueError(f"its scheme is not one of {', '.join(SCHEMES)}; write e.g. {EXAMPLE}")
    if parts.scheme == "unix":
        if not path:
            raise ValueError("it names no socket; write e.g. unix:///run/redis/redis.sock")
        return url
    if not hosts:
        raise ValueError(f"it names no host; write e.g. {EXAMPLE}")
    if parts.scheme.endswith("sentinel") and not path:
        raise ValueError("it names no master; write e.g. redis+sentinel://10.0.0.1:26379,10.0.0.2:26379/mymaster/0")
    if parts.scheme in ("redis", "rediss") and path and not path.isdigit():
        raise ValueError(f"its database is not a number; write e.g. {EXAMPLE}")
    return url


def checked_prefix(prefix: str) -> str:
    """Raises ValueError."""
    if _PREFIX.fullmatch(prefix) is None:
        raise ValueError(f"{prefix!r} is not a prefix; allowed are 1 to 64 letters, digits, '.', '_' and '-'")
    return prefix
