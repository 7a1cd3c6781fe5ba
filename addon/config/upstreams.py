"""Where the requests to a provider go: what `[upstreams]` and `--upstream NAME=URL` may say. Pure."""

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

from addon.config.mistakes import did_you_mean
from addon.remember import remember_short

# A name of the user's own for a provider: it is the first segment of a path. These segments are taken.
OWN_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
RESERVED_NAMES: Final = frozenset({"gateway", "v1", "healthz", "metrics", "custom", "unknown"})


@dataclass(frozen=True, slots=True)
class Origin:
    """Where requests go: scheme, host and port of an http(s) URL."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """host[:port] as a Host header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _default_port(self.scheme) else f"{host}:{self.port}"


def provider_name(name: str) -> str:
    """A known provider's own name, where `name` may be another name of it; else a name of the user's own, which is the
    prefix of its paths. Raises ValueError for a name that cannot be one, or that looks like a mistyped known one."""
    from addon.providers import registry  # 0.1 s, which a report over a folder without settings does not need

    if provider := registry.BY_NAME.get(name):
        return provider.name
    if name in RESERVED_NAMES:
        raise ValueError(f"{name!r} is a path of the proxy itself; choose another name")
    mistyped = name.isalpha() and bool(get_close_matches(name, registry.BY_NAME, n=1, cutoff=0.85))
    if mistyped or OWN_NAME.fullmatch(name) is None:
        near = did_you_mean(name, registry.BY_NAME)
        known = "" if near else f" allowed are {', '.join(sorted(registry.BY_NAME))}, and"
        raise ValueError(
            f"no provider is called {name!r}{near};{known} a name of your own has lower-case letters, digits, - and _"
        )
    return name


def parse_origin(url: str) -> Origin:
    """Raises ValueError that says what is allowed."""
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError as error:
        raise ValueError(f"{url!r}: {error}") from error
    if not is_one:
        raise ValueError(f"{url!r} is not an http(s) URL; write e.g. http://127.0.0.1:8000")
    if (rest := urlunsplit(("", "", parts.path, parts.query, parts.fragment))) not in ("", "/"):
        raise ValueError(f"{url!r} has a path; it replaces scheme, host and port only, so leave {rest!r} out")
    return split_origin(parts)


def split_origin(parts: SplitResult) -> Origin:
    return Origin(parts.scheme, (parts.hostname or "").lower(), parts.port or _default_port(parts.scheme))


def _default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


@remember_short(256)  # asked several times for each call, about few providers
def origin_of(url: str) -> Origin:
    """The origin of a URL that is known to be good."""
    return split_origin(urlsplit(url))
