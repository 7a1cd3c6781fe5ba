"""Other targets for a call whose own fails: the header `Helicone-Fallbacks`, and `[[fallbacks]]` of heliograph.toml. Pure.

[[fallbacks]]
model = "gpt-4o*"                               # of calls to such a model; * stands for anything
on_codes = [429, "500-599"]                     # what they ended with before; optional: 408, 429, 500-599
target_url = "https://api.groq.com/openai/v1"   # as an SDK's base_url; left out: the same provider once more
headers = { Authorization = "Bearer $GROQ_API_KEY" }    # $NAME is the environment's; no key need stand here
body = { model = "llama-3.3-70b-versatile" }    # optional: members of the body that are set

No connection, and no answer in time, count as a failure whatever the codes say. Messages quote no header's value: it may
be a key.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

from addon.limits.rules import CallFacts, Match
from addon.metering.content_coding import decode
from addon.sending.json_text import with_members

Codes = tuple[tuple[int, int], ...]  # ranges, both ends included

MOST_FALLBACKS: Final = 20
_ENTRY_KEYS: Final = ("target-url", "headers", "onCodes", "bodyKeyOverride")
_NEEDED_KEYS: Final = _ENTRY_KEYS[:3]
_RULE_KEYS: Final = ("model", "on_codes", "target_url", "headers", "body")
_USUAL_CODES: Final[Codes] = ((408, 408), (429, 429), (500, 599))
# An answer of less than 300 is one: it goes to the caller as it comes, and is never held back.
_FIRST_FAILURE, _LAST_STATUS = 300, 599
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_HEADER_VALUE: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")  # a line break in one would begin another header
_PATH: Final = re.compile(r"(?:/[!-~]*)?")  # printable ASCII: what may stand in a request line
_VARIABLE: Final = re.compile(r"\$(?:(\$)|([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})?")
# What SDKs put behind their base URL.
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
    """Where one call may go, in this order. A header names all targets, the first included; the config names those that
    come after the called one, and a rule that does not fit a failure is skipped."""

    entries: tuple[Fallback, ...]
    by_config: bool = False

    @property
    def codes(self) -> Codes:
        """All statuses that may lead to another target."""
        return tuple(codes for entry in self.entries for codes in entry.after_codes)

    @property
    def first(self) -> int | None:
        """The index of the target that is asked first; None: it is the one that was called."""
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


def parse_fallback_rules(tables: Sequence[Mapping[str, Any]]) -> tuple[FallbackRule, ...]:
    """The tables as tomllib reads them. Raises ValueError that names key and value and says what is allowed."""
    return tuple(_rule(f"fallbacks[{index}]", table) for index, table in enumerate(tables))


def with_environment(rules: Sequence[FallbackRule], environ: Mapping[str, str]) -> tuple[FallbackRule, ...]:
    """The rules with each $NAME in their headers put in. Raises ValueError that names what is not set."""
    return tuple(
        replace(rule, fallback=replace(rule.fallback, headers=_put_in(f"fallbacks[{index}]", rule.fallback, environ)))
        for index, rule in enumerate(rules)
    )


def find_fallbacks(rules: Sequence[FallbackRule], model: str | None) -> Fallbacks | None:
    """Those that a call to `model` has by the config; None: none."""
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
    ValueError when it is no JSON object."""
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
    origin, base = _target(f"{where}: target-url", entry["target-url"])
    target = Fallback(
        origin=origin,
        base=base,
        headers=_headers(f"{where}: headers", entry["headers"]),
        body=_body(f"{where}: bodyKeyOverride", entry.get("bodyKeyOverride", {})),
    )
    return target, _codes(f"{where}: onCodes", entry["onCodes"])


def _rule(where: str, table: Mapping[str, Any]) -> FallbackRule:
    if unknown := sorted(set(table) - set(_RULE_KEYS)):
        raise ValueError(f"{where}.{unknown[0]}: no such key; allowed are {', '.join(_RULE_KEYS)}")
    model = table.get("model")
    if not isinstance(model, str) or not model.strip():
        raise ValueError(f'{where}.model: write the model that it is for, e.g. "gpt-4o*", or "*" for every one')
    if "target_url" not in table and "body" not in table:
        raise ValueError(f"{where}: neither target_url nor body: that is the same call once more; see Helicone-Retry-*")
    origin, base = _target(f"{where}.target_url", table["target_url"]) if "target_url" in table else (None, "")
    return FallbackRule(
        Match(model=model.strip()),
        Fallback(
            origin=origin,
            base=base,
            headers=_headers(f"{where}.headers", table.get("headers", {})),
            after_codes=_codes(f"{where}.on_codes", table["on_codes"]) if "on_codes" in table else _USUAL_CODES,
            body=_body(f"{where}.body", table.get("body", {})),
        ),
    )


def _target(where: str, url: Any) -> tuple[str, str]:
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        is_one = (
            parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and _PATH.fullmatch(parts.path)
        )
    except ValueError:
        is_one = False
    if not is_one or parts.username is not None or parts.query or parts.fragment:
        raise ValueError(
            f"{where}: not an http(s) URL without user, query and fragment; write e.g. https://api.groq.com"
        )
    return f"{parts.scheme}://{parts.netloc.lower()}", parts.path.rstrip("/")


def _headers(where: str, headers: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(headers, dict):
        raise ValueError(f'{where}: not a table of names and texts, e.g. {{"Authorization": "Bearer ..."}}')
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{where}: {name[:40]!r} is not the name of a header")
        if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value) or not _is_sendable(value):
            raise ValueError(f"{where}: the value of {name[:40]} is not a text of one line")
    return tuple((name, value.strip()) for name, value in headers.items())


def _is_sendable(value: str) -> bool:
    try:
        value.encode("utf-8", "surrogateescape")  # header bytes that are no UTF-8 came in so
    except UnicodeEncodeError:
        return False
    return True


def _codes(where: str, codes: Any) -> Codes:
    if not isinstance(codes, list):
        raise ValueError(f'{where}: not a list; write e.g. [429, {{"from": 500, "to": 599}}]')
    return tuple(_code(where, code) for code in codes)


def _code(where: str, code: Any) -> tuple[int, int]:
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
            f"{where}: {repr(code)[:60]} is no status of a failure; write numbers from {_FIRST_FAILURE} to {_LAST_STATUS}, "
            'or ranges as {"from": 500, "to": 599} or "500-599"'
        )
    return max(low, _FIRST_FAILURE), high


def _body(where: str, members: Any) -> dict[str, str]:
    if not isinstance(members, dict):
        raise ValueError(f'{where}: not an object of members to set, e.g. {{"model": "..."}}')
    try:
        return {key: json.dumps(value, allow_nan=False) for key, value in members.items()}
    except (TypeError, ValueError):  # TOML knows times, infinity and nan
        raise ValueError(f"{where}: a value is none of JSON's") from None


def _put_in(where: str, fallback: Fallback, environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    def value_of(found: re.Match[str]) -> str:
        name = found[2] or found[3]
        if found[1]:
            return "$"
        if not name:
            raise ValueError(f"{where}.headers: a lone $; write $NAME for a variable, $$ for the sign")
        if not environ.get(name):
            raise ValueError(f"{where}.headers: ${name} is not set; export it before heliograph starts")
        return environ[name].strip()

    return _headers(f"{where}.headers", {name: _VARIABLE.sub(value_of, value) for name, value in fallback.headers})


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
