"""What a caller may wish of the cache, out of the values of its headers. Every mistake is a ValueError that says what
is allowed."""

import json
import re
from dataclasses import dataclass
from typing import Final

DEFAULT_MAX_AGE_S: Final = 7 * 24 * 3600
LONGEST_MAX_AGE_S: Final = 365 * 24 * 3600
LARGEST_BUCKET: Final = 20  # Helicone's

_SECONDS: Final = re.compile(r"[0-9]+")
_LISTED_KEY: Final = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|([^,"\[\]]*))\s*(?:,|\Z)')


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePolicy:
    """What one call wants of the cache."""

    read: bool
    save: bool
    max_age_s: int = DEFAULT_MAX_AGE_S  # how long the answer may be given again, counted from when it is stored
    bucket_size: int = 1  # so many different answers are gathered before one of them is given again
    seed: str | None = None  # calls with different seeds share nothing
    ignore_keys: tuple[str, ...] = ()  # parts of a JSON body that make no difference; dots lead downwards


@dataclass(frozen=True, slots=True)
class CacheControl:
    """`Cache-Control` of a request. RFC 9111, 5.2.1: no-cache wants a fresh answer, no-store wants none kept."""

    max_age_s: int = DEFAULT_MAX_AGE_S
    no_cache: bool = False
    no_store: bool = False

    @property
    def may_read(self) -> bool:
        """`max-age=0` never hits."""
        return not self.no_cache and self.max_age_s > 0

    @property
    def may_save(self) -> bool:
        return not self.no_store and self.max_age_s > 0


def parse_cache_control(text: str) -> CacheControl:
    """`max-age=60, no-store`: `s-maxage` over `max-age` over 7 days, at most 365 days. Other directives say nothing to
    us. Raises ValueError."""
    given: dict[str, str] = {}
    for directive in text.split(","):
        name, _, value = directive.partition("=")
        given.setdefault(name.strip().lower(), value.strip().strip('"'))
    ages = [_seconds(name, given[name]) for name in ("s-maxage", "max-age") if name in given]
    return CacheControl(ages[0] if ages else DEFAULT_MAX_AGE_S, "no-cache" in given, "no-store" in given)


def parse_bucket_size(text: str) -> int:
    """Raises ValueError."""
    size = int(text) if re.fullmatch(r"[0-9]{1,4}", text.strip()) else 0
    if not 1 <= size <= LARGEST_BUCKET:
        raise ValueError(f"{text!r} is no bucket size; write a whole number from 1 to {LARGEST_BUCKET}")
    return size


def parse_ignore_keys(text: str) -> tuple[str, ...]:
    """`a,metadata.trace_id`, `"a","b"` or `["a", "b"]`; each key once, in the order given. Raises ValueError."""
    keys = _json_list(text) if text.lstrip().startswith("[") else _listed(text)
    return tuple(dict.fromkeys(keys))


def _seconds(name: str, value: str) -> int:
    if not _SECONDS.fullmatch(value):
        raise ValueError(f"{name}={value} is no age; write whole seconds, e.g. {name}=3600")
    digits = value.lstrip("0") or "0"
    return LONGEST_MAX_AGE_S if len(digits) > 9 else min(int(digits), LONGEST_MAX_AGE_S)


def _json_list(text: str) -> list[str]:
    try:
        keys = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _not_keys(text) from error
    if not isinstance(keys, list) or not all(isinstance(key, str) and key for key in keys):
        raise _not_keys(text)
    return keys


def _listed(text: str) -> list[str]:
    keys, position = [], 0
    while position < len(text):
        found = _LISTED_KEY.match(text, position)
        if found is None:
            raise _not_keys(text)
        quoted, bare = found.groups()
        if key := _unquoted(quoted, text) if quoted else bare.strip():
            keys.append(key)
        position = found.end()
    return keys


def _unquoted(quoted: str, text: str) -> str:
    try:
        return str(json.loads(quoted))
    except ValueError as error:
        raise _not_keys(text) from error


def _not_keys(text: str) -> ValueError:
    return ValueError(
        f'{text!r} is no list of keys; write a,b or "a","b" or ["a", "b"]; dots lead downwards: metadata.id'
    )
