"""Fallbacks: other targets for a call that fails, by the header `Helicone-Fallbacks` or by `[[fallbacks]]` of heliograph.toml. Pure.

A missing connection and a timeout always count as failures, whatever the codes say. Messages never quote a header's value:
it may be a key.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import quote, urlsplit

from addon.limits.rules import CallFacts, Match
from addon.metering.content_coding import decode
from addon.sending.json_text import with_members

Codes = tuple[tuple[int, int], ...]  # ranges, both ends included

MOST_FALLBACKS: Final = 20
_ENTRY_KEYS: Final = ("target-url", "headers", "onCodes", "bodyKeyOverride")
_NEEDED_KEYS: Final = _ENTRY_KEYS[:3]
USUAL_CODES: Final[Codes] = ((408, 408), (429, 429), (500, 599))
# Statuses below 300 are successes: they go to the caller as they come, and are never held back.
_FIRST_FAILURE, _LAST_STATUS = 300, 599
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_HEADER_VALUE: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")  # a line break in one would begin another header
_PATH: Final = re.compile(r"(?:/[!-~]*)?")  # printable ASCII, as in a request line
_VARIABLE: Final = re.compile(r"\$(?:(\$)|([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})?")
# The paths that SDKs append to their base URL.
_TAILS: Final = ("/chat/completions", "/completions", "/embeddings", "/responses", "/v1/messages")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """One target, and the statuses of the target before it that lead to it."""

    origin: str | None  # "https://api.groq.com"; None: where the call was sent first
    base: str = ""  # the URL's path, "/openai/v1" or ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    after_codes: Codes = ()  # a failure without a status (no connection, no answer in time) leads to it as well
    body: Mapping[str, str] = field(default_factory=dict, repr=False)  # members of the body that are set, as JSON text


@dataclass(frozen=True, slots=True)
class FallbackRule:
    """A fallback of the config, and the calls that it is for."""

    match: Match
    fallback: Fallback


@dataclass(frozen=True, slots=True)
class Fallbacks:
    """The targets of one call, in order. A header names all of them, the first included; the config names those after the called
    one, and rules that do not match a failure are skipped."""

    entries: tuple[Fallback, ...]
    by_config: bool = False

    @property
    def codes(self) -> Codes:
        """All statuses that may lead to another target."""
        return tuple(codes for entry in self.entries for codes in entry.after_codes)

    @property
    def first(self) -> int | None:
        """The index of the first target; None: the called one."""
        return None if self.by_config else 0

    def after(self, at: int | None, status: int | None) -> int | None:
        """The index of the next target, or None when the call has ended. `at` is None when the called target failed;
        `status` is None when no answer came."""
        here = -1 if at is None else at
        candidates = range(here + 1, len(self.entries) if self.by_config else min(here + 2, len(self.entries)))
        return next((index for index in candidates if leads_to(self.entries[index], status)), None)


def leads_to(fallback: Fallback, status: int | None) -> bool:
    """Whether the last attempt's outcome leads to this target. `status` None: no connection, or no answer in time."""
    return status is None or any(low <= status <= high for low, high in fallback.after_codes)


def parse_fallbacks(text: str) -> tuple[Fallback, ...]:
    """The header's value. An entry of the header states which of its own answers lead on; the result states of each target
    which answers lead to it, as the config does. Raises ValueError that names the entry and says what is allowed."""
    try:
        given = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ValueError("not JSON; write a list of objects with target-url, headers and onCodes") from None
    if not isinstance(given, list) or not 0 < len(given) <= MOST_FALLBACKS:
        raise ValueError(f"not a list of 1 to {MOST_FALLBACKS} objects with target-url, headers and onCodes")
    entries = [_entry(f"entry {index}", entry) for index, entry in enumerate(given)]
    codes_before = [(), *(codes for _, codes in entries)]
    return tuple(replace(target, after_codes=codes) for (target, _), codes in zip(entries, codes_before, strict=False))


def with_environment(rules: Sequence[FallbackRule], environ: Mapping[str, str]) -> tuple[FallbackRule, ...]:
    """The rules with each $NAME in their headers replaced. Raises ValueError that names a variable that is not set."""
    return tuple(
        replace(
            rule,
            fallback=replace(rule.fallback, headers=_put_in(f"fallbacks[{index}].headers", rule.fallback, environ)),
        )
        for index, rule in enumerate(rules)
    )


def variables_in(value: str) -> tuple[str, ...]:
    """The environment variables that a header's value in the config names. Raises ValueError for a `$` without a name."""
    found = list(_VARIABLE.finditer(value))
    if any(not (match[1] or match[2] or match[3]) for match in found):
        raise ValueError("a lone $; write $NAME for a variable, $$ for the sign")
    return tuple(match[2] or match[3] for match in found if not match[1])


def with_variables(value: str, environ: Mapping[str, str]) -> str:
    """A header's value with each $NAME replaced. Raises ValueError that names a variable that is not set."""
    if unset := [name for name in variables_in(value) if not environ.get(name)]:
        raise ValueError(f"${unset[0]} is not set; export it before heliograph starts")
    return _VARIABLE.sub(lambda found: "$" if found[1] else environ[found[2] or found[3]].strip(), value)


def with_quoted_variables(value: str, environ: Mapping[str, str]) -> str:
    """A URL with each $NAME replaced: percent-encoded where it is a part, as it is where the whole value is one. Raises as
    `with_variables`."""
    if _VARIABLE.fullmatch(value):
        return with_variables(value, environ)
    return with_variables(value, {name: quote(environ.get(name, ""), safe="") for name in variables_in(value)})


def find_fallbacks(rules: Sequence[FallbackRule], model: str | None) -> Fallbacks | None:
    """The fallbacks that the config has for `model`; None: there are none."""
    facts = CallFacts(model=model)
    found = tuple(rule.fallback for rule in rules if rule.match.covers(facts))
    return Fallbacks(found, by_config=True) if found else None


def target_path(path: str, base: str) -> str:
    """The path of a call at a target with this base URL: `/v1/chat/completions` at `/openai/v1` is
    `/openai/v1/chat/completions`, as an SDK would call it. Without a base it is as it was. The query stays."""
    if not base:
        return path
    bare, question, query = path.partition("?")
    tail = next((tail for tail in _TAILS if bare.rstrip("/").endswith(tail)), bare)
    return f"{base}{tail}{question}{query}"


def overridden_body(body: bytes, content_encoding: str | None, overrides: Mapping[str, str]) -> bytes:
    """The body with these members set to these JSON texts, uncompressed; all other bytes are as they were. Raises
    ValueError where it is not a JSON object."""
    decoded, whole = decode(body, content_encoding)
    if not whole:
        raise ValueError("cannot be decoded")
    return with_members(decoded.decode(), overrides).encode()


def _entry(where: str, entry: Any) -> tuple[Fallback, Codes]:
    """The target, and the statuses of its answers that lead to the next one."""
    if not isinstance(entry, dict):
        raise ValueError(f"{where}: not an object with target-url, headers and onCodes")
    if unknown := sorted(set(entry) - set(_ENTRY_KEYS)):
        raise ValueError(f"{where}: {unknown[0][:40]!r} is unknown; allowed are {', '.join(_ENTRY_KEYS)}")
    if missing := [key for key in _NEEDED_KEYS if key not in entry]:
        raise ValueError(f"{where}: {missing[0]} is missing; needed are {', '.join(_NEEDED_KEYS)}")
    origin, base = _at(f"{where}: target-url", parse_target, entry["target-url"])
    target = Fallback(
        origin=origin,
        base=base,
        headers=_at(f"{where}: headers", _headers, entry["headers"]),
        body=_at(f"{where}: bodyKeyOverride", parse_members, entry.get("bodyKeyOverride", {})),
    )
    return target, _at(f"{where}: onCodes", _codes, entry["onCodes"])


def parse_target(url: Any) -> tuple[str, str]:
    """Origin and path of a target. Raises ValueError."""
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        is_one = (
            parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and _PATH.fullmatch(parts.path)
        )
    except ValueError:
        is_one = False
    if not is_one or parts.username is not None or parts.query or parts.fragment:
        raise ValueError("not an http(s) URL without user, query and fragment; write e.g. https://api.groq.com")
    return f"{parts.scheme}://{parts.netloc.lower()}", parts.path.rstrip("/")


def _headers(headers: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(headers, dict):
        raise ValueError('not a table of names and texts, e.g. {"Authorization": "Bearer ..."}')
    return tuple((checked_header_name(name), _named_value(name, value).strip()) for name, value in headers.items())


def _named_value(name: str, value: Any) -> str:
    try:
        return checked_header(value)
    except ValueError:
        raise ValueError(f"the value of {name[:40]} is not a text of one line") from None


def checked_header_name(name: str) -> str:
    """Raises ValueError."""
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError(f"{name[:40]!r} is not the name of a header")
    return name


def checked_header(value: Any) -> str:
    """A header's value, which the ValueError does not quote: it may be a key."""
    if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value) or not _is_sendable(value):
        raise ValueError("the value is not a text of one line")
    return value


def _is_sendable(value: str) -> bool:
    try:
        value.encode("utf-8", "surrogateescape")  # header bytes that are not UTF-8 were decoded this way
    except UnicodeEncodeError:
        return False
    return True


def _codes(codes: Any) -> Codes:
    if not isinstance(codes, list):
        raise ValueError('not a list; write e.g. [429, {"from": 500, "to": 599}]')
    return tuple(parse_code(code) for code in codes)


def parse_code(code: Any) -> tuple[int, int]:
    """A status or a range of statuses, as the first and the last of it. Raises ValueError."""
    match code:
        case bool():
            low, high = 0, 0
        case int():
            low, high = code, code
        case {"from": int(low), "to": int(high), **rest} if not rest:
            pass
        case str() if found := re.fullmatch(r"([0-9]{3})(?:-([0-9]{3}))?", code):
            low, high = int(found[1]), int(found[2] or found[1])
        case _:
            low, high = 0, 0
    if not (100 <= low <= high <= _LAST_STATUS and high >= _FIRST_FAILURE):
        raise ValueError(
            f"{repr(code)[:60]} is not a status of a failure; write numbers from {_FIRST_FAILURE} to {_LAST_STATUS}, "
            'or ranges as {"from": 500, "to": 599} or "500-599"'
        )
    return max(low, _FIRST_FAILURE), high


def parse_members(members: Any) -> dict[str, str]:
    """Members of a JSON object, as JSON text each. Raises ValueError."""
    if not isinstance(members, dict):
        raise ValueError('not an object of members to set, e.g. {"model": "..."}')
    try:
        return {key: json.dumps(value, allow_nan=False) for key, value in members.items()}
    except (TypeError, ValueError):  # TOML has times, infinity and nan; JSON does not
        raise ValueError("a value cannot be written as JSON") from None


def _put_in(where: str, fallback: Fallback, environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    for name, value in fallback.headers:
        if unset := [variable for variable in variables_in(value) if not environ.get(variable)]:
            raise ValueError(f"{where}.{name}: ${unset[0]} is not set; export it before heliograph starts")

    return _at(where, _headers, {name: with_variables(value, environ) for name, value in fallback.headers})


def _at[T](where: str, parse: Callable[[Any], T], value: Any) -> T:
    """What `parse` makes of a value; its ValueError says where the value is."""
    try:
        return parse(value)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
