"""The cache options of one call, parsed from its headers. Every mistake is a ValueError that says what is allowed.
All parsers read each character a constant number of times."""

import json
import re
from dataclasses import dataclass
from typing import Final

DEFAULT_MAX_AGE_S: Final = 7 * 24 * 3600
LONGEST_MAX_AGE_S: Final = 365 * 24 * 3600
LARGEST_BUCKET: Final = 20  # Helicone's

_SECONDS: Final = re.compile(r"[0-9]+")
_QUOTED: Final = json.JSONDecoder()
# Each ignored key is looked for in all of a body: few and short ones keep that cheap.
_MOST_KEYS, _LONGEST_KEY, _DEEPEST_KEY = 20, 200, 8
_SHOWN_CHARACTERS: Final = 60  # of a value in a message


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePolicy:
    """The cache options of one call."""

    read: bool
    save: bool
    max_age_s: int = DEFAULT_MAX_AGE_S  # how long the answer may be given again, counted from when it is stored
    bucket_size: int = 1  # number of different answers that are stored before one of them is given again
    seed: str | None = None  # calls with different seeds share nothing
    ignore_keys: tuple[str, ...] = ()  # parts of a JSON body that are not compared; a dot separates levels


@dataclass(frozen=True, slots=True)
class CacheControl:
    """`Cache-Control` of a request. RFC 9111, 5.2.1: no-cache asks for a fresh answer, no-store forbids to store it."""

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
    """`max-age=60, no-store`: `s-maxage` over `max-age` over 7 days, at most 365 days. Other directives are
    ignored. Raises ValueError."""
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
        raise ValueError(f"{_shown(text)} is not a bucket size; write a whole number from 1 to {LARGEST_BUCKET}")
    return size


def parse_ignore_keys(text: str) -> tuple[str, ...]:
    """`a,metadata.trace_id`, `"a","b"` or `["a", "b"]`; each key once, in the order given. Raises ValueError."""
    keys = tuple(dict.fromkeys(_json_list(text) if text.lstrip().startswith("[") else _listed(text)))
    if len(keys) > _MOST_KEYS or any(len(key) > _LONGEST_KEY or key.count(".") >= _DEEPEST_KEY for key in keys):
        raise ValueError(
            f"too many or too long keys to ignore; write at most {_MOST_KEYS}, each of up to {_LONGEST_KEY} characters "
            f"and {_DEEPEST_KEY} levels"
        )
    return keys


def _seconds(name: str, value: str) -> int:
    if not _SECONDS.fullmatch(value):
        raise ValueError(f"{name}={_shown(value)} is not an age; write whole seconds, e.g. {name}=3600")
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
    """Keys between commas, each bare or a JSON string. Reads each character once."""
    keys, at = [], 0
    while at < len(text):
        start = _skip_space(text, at)
        if text.startswith('"', start):
            key, end = _quoted(text, start)
            at = _skip_space(text, end)
            if at < len(text) and text[at] != ",":
                raise _not_keys(text)
        else:
            comma = text.find(",", start)
            at = len(text) if comma < 0 else comma
            key = text[start:at].rstrip()
            if any(sign in key for sign in '"[]'):
                raise _not_keys(text)
        if key:
            keys.append(key)
        at += 1
    return keys


def _quoted(text: str, start: int) -> tuple[str, int]:
    """The JSON string that begins at `start`, and where it ends."""
    try:
        key, end = _QUOTED.raw_decode(text, start)
    except ValueError as error:
        raise _not_keys(text) from error
    return str(key), end


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _not_keys(text: str) -> ValueError:
    return ValueError(
        f'{_shown(text)} is not a list of keys; write a,b or "a","b" or ["a", "b"]; dots lead downwards: metadata.id'
    )


def _shown(text: str) -> str:
    return repr(text[:_SHOWN_CHARACTERS]) + ("..." if len(text) > _SHOWN_CHARACTERS else "")
