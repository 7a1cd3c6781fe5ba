"""Filters of the dashboard: what the query of a page's address asks for, and the SQL condition that it means. Pure.

`?since=7d&model=gpt-5&model=gpt-5-mini&user!=ada&cost=>0.01&property:feature=chat&words=refund`:

- several values of one name are alternatives; different names must all fit;
- `name!=value` leaves out calls with that value;
- `*` in a value stands for any text, so `error=*` is every failed call; `\\*` is a star itself;
- an empty value (`user=`) is a call without one, `""` one whose value is an empty text;
- numbers take `>0.01`, `>=1`, `<2s`, `1..5` and single values; `4xx` is a status from 400 to 499;
- `words` looks in the bodies: all words must occur, `"in quotes"` as they are, in any case.

What makes no sense becomes a complaint for the page; everything else stays in force.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from addon.config.mistakes import did_you_mean
from analysis.quoting import literal

MOST_FILTERS: Final = 50
MOST_VALUE_CHARACTERS: Final = 500
PROPERTY: Final = "property:"
NOT: Final = "!"
WORDS: Final = "words"
EMPTY_TEXT: Final = '""'

type Pairs = Sequence[tuple[str, str]]


class NotAFilter(ValueError):
    """The message says what is wrong with a filter and what is allowed."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a name filters by. `title` for people; `condition` makes SQL over the columns of `requests` of a value, or
    raises NotAFilter; `column`: where its values can be suggested from."""

    title: str
    condition: Callable[[str], str]
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """One token: `model is gpt-5`."""

    name: str
    value: str
    negated: bool = False

    @property
    def key(self) -> str:
        """The name in the address."""
        return f"{self.name}{NOT}" if self.negated else self.name

    @property
    def title(self) -> str:
        return self.name.removeprefix(PROPERTY) if self.name.startswith(PROPERTY) else KINDS[self.name].title


@dataclass(frozen=True, slots=True)
class Filters:
    """The tokens of a page in their order, and what could not be read."""

    filters: tuple[Filter, ...] = ()
    complaints: tuple[str, ...] = ()

    def pairs(self) -> list[tuple[str, str]]:
        """For the address of a page."""
        return [(each.key, each.value) for each in self.filters]

    def having(self, name: str, value: str, *, negated: bool = False) -> "Filters":
        added = Filter(name, value, negated)
        return self if added in self.filters else replace(self, filters=(*self.filters, added))

    def only(self, name: str, value: str) -> "Filters":
        """With this value instead of others of that name: what a click on a number means."""
        return replace(self, filters=(*self.without_name(name).filters, Filter(name, value)))

    def without(self, unwanted: Filter) -> "Filters":
        return replace(self, filters=tuple(each for each in self.filters if each != unwanted))

    def without_name(self, name: str) -> "Filters":
        return replace(self, filters=tuple(each for each in self.filters if each.name != name))

    def where(self, *, reads_before: bool = False) -> str | None:
        """The condition over the columns of `requests`, with its values as literals; None: every call fits.

        `reads_before`: it is asked of the period before, too, so words are looked for in the bodies of both.
        """
        alternatives: dict[str, list[str]] = {}
        refused: list[str] = []
        for each in self.filters:
            condition = _words(each.value, reads_before) if each.name == WORDS else condition_of(each.name, each.value)
            if each.negated:
                refused.append(f"not coalesce({condition}, false)")
            else:
                alternatives.setdefault(each.name, []).append(condition)
        fitting = [f"({' or '.join(conditions)})" for conditions in alternatives.values()]
        return " and ".join([*fitting, *refused]) or None


def parse(pairs: Iterable[tuple[str, str]]) -> Filters:
    """The filters among the names and values of a query. `pairs`: without the names that mean something else."""
    filters: list[Filter] = []
    complaints: list[str] = []
    for key, value in pairs:
        try:
            found = _read(key, value)
        except NotAFilter as problem:
            complaints.append(str(problem))
            continue
        if len(filters) == MOST_FILTERS:
            complaints.append(f"more than {MOST_FILTERS} filters: the rest is left out")
            break
        if found not in filters:
            filters.append(found)
    return Filters(tuple(filters), tuple(dict.fromkeys(complaints)))


def parse_token(text: str) -> Filter:
    """What a person types: `model:gpt-5`, `-user:ada`, `cost>0.01`, `property:feature=chat`; other text is looked for in
    bodies. Raises NotAFilter."""
    text = text.strip()
    if typed := _TYPED_PROPERTY.fullmatch(text) or _TYPED.fullmatch(text):
        minus, name, operator, value = typed.groups()
        if name in KINDS or name.startswith(PROPERTY):
            negated = bool(minus) or operator == "!="
            return _read(
                f"{name}{NOT}" if negated else name, (operator if operator in _COMPARISONS else "") + value.strip()
            )
    return _read(WORDS, text)


def condition_of(name: str, value: str) -> str:
    """SQL that is true for the calls that fit one value. Raises NotAFilter."""
    if name.startswith(PROPERTY):
        return _text(f"properties[{literal(name.removeprefix(PROPERTY).lower())}]")(value)
    return KINDS[name].condition(value)


def _read(key: str, value: str) -> Filter:
    negated = key.endswith(NOT)
    name = key.removesuffix(NOT)
    if name.lower().startswith(PROPERTY) and len(name) > len(PROPERTY):
        name = PROPERTY + name[len(PROPERTY) :].lower()
    else:
        name = name.lower()
        if name not in KINDS:
            raise NotAFilter(f"{name[:80]!r} is not a filter{did_you_mean(name[:80], KINDS)}; it is left out")
    if len(value) > MOST_VALUE_CHARACTERS or "\0" in value + name:
        raise NotAFilter(f"{name[:80]}: this value is too long or has a zero byte; it is left out")
    condition_of(name, value)  # raises where the value makes no sense
    return Filter(name, value, negated)


def exactly(value: object) -> str:
    """The value of a filter by text that means this value alone, whatever characters it has; None: calls without one."""
    return "" if value is None else str(value).replace("*", r"\*") or EMPTY_TEXT


def _text(expression: str) -> Callable[[str], str]:
    def condition(value: str) -> str:
        if value == "":
            return f"{expression} is null"
        if value == "*":
            return f"{expression} is not null"
        if value == EMPTY_TEXT:
            return f"{expression} = ''"
        parts = [part.replace(r"\*", "*") for part in _ANY_TEXT.split(value)]
        if len(parts) == 1:
            return f"{expression} = {literal(parts[0])}"
        pattern = "%".join(re.sub(r"([\\%_])", r"\\\1", part) for part in parts)
        return f"{expression} like {literal(pattern)} escape '\\'"

    return condition


def _number(expression: str, read: Callable[[str], float], example: str) -> Callable[[str], str]:
    def number(text: str, whole: str) -> str:
        try:
            return repr(read(text.strip().lower()))
        except ValueError:
            raise NotAFilter(
                f"{whole[:80]!r} is not a range of numbers; write e.g. {example}; it is left out"
            ) from None

    def condition(value: str) -> str:
        if value.strip() in ("", "*"):
            return f"{expression} is {'' if not value.strip() else 'not '}null"
        if ".." in value:
            low, _, high = value.partition("..")
            return f"{expression} between {number(low, value)} and {number(high, value)}"
        operator = next((each for each in _COMPARISONS if value.strip().startswith(each)), "")
        return f"{expression} {operator or '='} {number(value.strip().removeprefix(operator), value)}"

    return condition


def _money(text: str) -> float:
    return _plain(text.removeprefix("$"))


def _plain(text: str) -> float:
    match = _NUMBER.fullmatch(text.replace(",", "").replace("_", ""))
    if not match:
        raise ValueError
    return float(match[1]) * _MULTIPLES[match[2]]


def _milliseconds(text: str) -> float:
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError
    return float(match[1]) * _UNITS_MS[match[2] or "ms"]


def _status(value: str) -> str:
    if match := _STATUS_CLASS.fullmatch(value.strip().lower()):
        return f"status between {match[1]}00 and {match[1]}99"
    return _number("status", _signed, "429, 4xx or >=500")(value)


def _signed(text: str) -> float:
    return int(text)


def _words(value: str, reads_before: bool = False) -> str:
    """The window bounds the bodies that are read."""
    since = "before_since" if reads_before else "since"
    words = words_of(value)
    if not words:
        raise NotAFilter("words: write what to look for in prompts and answers; it is left out")
    said = "lower(concat_ws(' ', request_body, response_text, case when response_text is null then response_body end))"
    fits = " and ".join(f"contains({said}, {literal(word)})" for word in words)
    return (
        f"request_id in (select request_id from bodies where date >= cast(getvariable('{since}') as date)"
        f" and date <= cast(getvariable('until') as date) and {fits})"
    )


def words_of(value: str) -> list[str]:
    """The words that a filter looks for, in lower case."""
    return [(quoted or word).lower() for quoted, word in _WORD.findall(value)]


def _score(value: str) -> str:
    """Of its name. A rating is not one here: `feedback` finds it."""
    named = "true" if value in ("", "*") else _text("name")(value)
    scored = f"(select request_id from scores where name <> 'helicone-score-feedback' and {named})"
    return f"request_id {'not ' if value == '' else ''}in {scored}"


def _repeats(value: str) -> str:
    """As the report `duplicates` counts them: equal requests that a provider was asked again."""
    if not value.strip():
        raise NotAFilter("repeats: write the id of a request; it is left out")
    same = ("provider_name", "host", "path", "request_model", "api_key_hash", "helicone_key_hash", "request_bytes")
    alike = " and ".join(f"same.{name} is not distinct from first.{name}" for name in (*same, "input_tokens"))
    first = f"(select * from requests where request_id = {literal(value.strip())} limit 1) as first"
    asked = f"(select hash(request_body) from bodies where request_id = {literal(value.strip())} limit 1)"
    return (
        "error_type is null and mode <> 'async' and coalesce(cache_status, 'miss') in ('miss', 'unavailable')"
        " and request_id in (select request_id from bodies where not request_truncated"
        " and date between cast(getvariable('since') as date) and cast(getvariable('until') as date)"
        f" and request_id in (select same.request_id from requests as same join {first} on {alike})"
        f" and hash(request_body) = {asked})"
    )


def _choice(meanings: Mapping[str, str]) -> Callable[[str], str]:
    def condition(value: str) -> str:
        if value not in meanings:
            raise NotAFilter(f"{value[:80]!r} is not one of {', '.join(meanings)}; it is left out")
        return meanings[value]

    return condition


_ANY_TEXT: Final = re.compile(r"(?<!\\)\*")
_COMPARISONS: Final = (">=", "<=", ">", "<")
_TYPED: Final = re.compile(r"(-?)((?:property:)?[^\s:=<>!\"]+?)(!=|>=|<=|[:=<>])(.*)", re.DOTALL)
_TYPED_PROPERTY: Final = re.compile(r"(-?)(property:[^=!]+)(!?=)(.*)", re.DOTALL)  # its name may have any words
_NUMBER: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)([km]?)")
_MULTIPLES: Final = {"": 1.0, "k": 1e3, "m": 1e6}
_DURATION: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+) ?(ms|s|m|min|h)?")
_UNITS_MS: Final = {"ms": 1.0, "s": 1e3, "m": 6e4, "min": 6e4, "h": 3.6e6}
_STATUS_CLASS: Final = re.compile(r"([1-5])xx")
_WORD: Final = re.compile(r'"([^"]+)"|([^\s"]+)')
_RATED: Final = "request_id in (select request_id from feedback"
# As the report `retries` has them.
_MOVED: Final = "coalesce(attempts > 1 and coalesce(failed_attempts->>'$[0].host' <> host, fallback_index >= 0), false)"
_LOST: Final = "(failed_attempts->>'$[#-1].duration_ms')"
_NO_TOKENS: Final = "cost_nanousd is null and (input_tokens is null or output_tokens is null) and"
_ALL_TOKENS: Final = "cost_nanousd is null and input_tokens is not null and output_tokens is not null and"
_MODEL: Final = "coalesce(response_model, request_model)"
_PROGRAM: Final = r"nullif(regexp_extract(client, '^[^/\s(]+'), '')"  # as the report `clients` has it
_LENGTH: Final = "2s, >500ms or 1s..5s"

KINDS: Final[Mapping[str, Kind]] = {
    "model": Kind("model", _text(_MODEL), _MODEL),
    "request_model": Kind("model asked for", _text("request_model"), "request_model"),
    "provider": Kind("provider", _text("provider_name"), "provider_name"),
    "user": Kind("user", _text("user_id"), "user_id"),
    "session": Kind("session", _text("session_id"), "session_id"),
    "session_name": Kind("session name", _text("session_name"), "session_name"),
    "path": Kind("session path", _text("session_path"), "session_path"),
    "operation": Kind("operation", _text("operation_name"), "operation_name"),
    "status": Kind("status", _status, "status"),
    "error": Kind("error", _text("error_type"), "error_type"),
    "cache": Kind("cache", _text("cache_status"), "cache_status"),
    "cached_from": Kind("answer of the request", _text("cache_reference_id")),
    "client": Kind("client", _text("client"), "client"),
    "program": Kind("program", _text(_PROGRAM), _PROGRAM),
    "command": Kind("command", _text("client_command"), "client_command"),
    "repository": Kind("repository", _text("client_repository"), "client_repository"),
    "prompt": Kind("prompt", _text("prompt_id"), "prompt_id"),
    "limit": Kind("limit", _text("rate_limit_status"), "rate_limit_status"),
    "usage": Kind("usage source", _text("usage_source"), "usage_source"),
    "finish": Kind(
        "finish reason",
        lambda value: f"list_contains(finish_reasons, {literal(value)})",
    ),
    "id": Kind("request", _text("request_id")),
    "cost": Kind("cost", _number("cost_nanousd / 1e9", _money, ">0.01 or 0.001..0.01")),
    "unpriced": Kind(  # as the report `unpriced` has them
        "without a price",
        _choice(
            {
                "ended": f"{_NO_TOKENS} error_type is not null",
                "not-stated": f"{_NO_TOKENS} error_type is null and usage_raw is null",
                "not-read": f"{_NO_TOKENS} error_type is null and usage_raw is not null",
                "no-model": f"{_ALL_TOKENS} {_MODEL} is null",
                "no-price": f"{_ALL_TOKENS} {_MODEL} is not null",
            }
        ),
    ),
    "saved": Kind("saved", _number("saved_nanousd / 1e9", _money, ">0")),
    "latency": Kind("latency", _number("duration_ms", _milliseconds, _LENGTH)),
    "first_token": Kind("first token", _number("time_to_first_token_ms", _milliseconds, _LENGTH)),
    "tokens": Kind("tokens", _number("input_tokens + output_tokens", _plain, ">1000 or 1k..10k")),
    "input_tokens": Kind("input tokens", _number("input_tokens", _plain, ">1000 or 1k..10k")),
    "output_tokens": Kind("output tokens", _number("output_tokens", _plain, ">1000 or 1k..10k")),
    "attempts": Kind("attempts", _number("attempts", _plain, ">1")),
    "fallback": Kind(
        "answered by a fallback",
        _choice({"yes": f"({_MOVED} and error_type is null)", "no": f"not ({_MOVED} and error_type is null)"}),
    ),
    "failed_attempt": Kind("failed attempt", _choice({"yes": f"{_LOST} is not null", "no": f"{_LOST} is null"})),
    "repeats": Kind("repeats the request", _repeats),
    "stream": Kind("stream", _choice({"yes": "is_stream", "no": "not is_stream"})),
    "feedback": Kind(
        "feedback",
        _choice(
            {
                "good": f"{_RATED} where rating)",
                "bad": f"{_RATED} where not rating)",
                "rated": f"{_RATED})",
                "none": f"not {_RATED})",
            }
        ),
    ),
    "score": Kind("score", _score),
    WORDS: Kind("words", _words),
}
