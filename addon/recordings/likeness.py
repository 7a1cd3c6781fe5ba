"""Which recorded call a live one is, and what differs where none fits. Pure.

Two forms of a call are compared. The exact one: provider, method, target with its parameters in any order, and the body;
JSON is equal whatever the order of its names, and without the members that name a run, a user or a cache. The loose one has
every UUID and every date and time in the body replaced: prompts that say what day it is are the same prompts tomorrow.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from addon.providers.fields import string
from addon.recordings.model import Question

# Members of a request that name the user, the run or a cache, and do not change the answer. `stream_options` may be set by us.
_IGNORED: Final = frozenset(
    {"metadata", "client_metadata", "user", "safety_identifier", "prompt_cache_key", "stream_options"}
)
_CHANGING: Final = re.compile(
    r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"
    r"|\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?\b"
    r"|\b\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?\b"
)
_BOUNDARY: Final = re.compile(r'boundary="?([^";]{1,200})"?')
_MOST_FIELDS: Final = 20_000  # of a body that are compared to find the nearest call
_MOST_LINES: Final = 8  # of a message
_AROUND: Final = 24  # characters before the first difference of two texts
_LONGEST: Final = 72  # characters of a value


@dataclass(frozen=True)
class Form:
    """A question, ready to be compared."""

    question: Question

    @cached_property
    def body(self) -> Any:
        """JSON without the ignored members; else the text, or the bytes' hexadecimal form."""
        asked = self.question
        raw = asked.body
        if found := _BOUNDARY.search(asked.content_type):  # of a form: made up anew for each request
            raw = raw.replace(found[1].encode(), b"boundary")
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError):
            try:
                return raw.decode()
            except UnicodeDecodeError:
                return raw.hex()
        if isinstance(value, dict):
            return {name: item for name, item in value.items() if name not in _IGNORED}
        return value

    @cached_property
    def head(self) -> str:
        asked = self.question
        path, _, query = asked.target.partition("?")
        return f"{asked.provider} {asked.method} {path}?{'&'.join(sorted(query.split('&')))}"

    @cached_property
    def exact(self) -> str:
        return f"{self.head} {json.dumps(self.body, sort_keys=True)}"

    @cached_property
    def loose(self) -> str:
        return _CHANGING.sub("#", self.exact)

    @cached_property
    def fields(self) -> dict[str, Any]:
        """Each value of the body by its place: `messages[2].content`."""
        found: dict[str, Any] = {}
        for place, value in _leaves("", self.body):
            found[place] = value
            if len(found) >= _MOST_FIELDS:
                break
        return found

    @property
    def model(self) -> str:
        named = string(self.body.get("model")) if isinstance(self.body, dict) else None
        return named or ""


def nearest(asked: Form, recorded: Sequence[Form]) -> int | None:
    """The index of the recorded call that has most in common with `asked`; the earliest of several. None: there is none."""
    scores = [_likeness(asked, other) for other in recorded]
    return max(range(len(scores)), key=scores.__getitem__) if scores else None


def _likeness(asked: Form, other: Form) -> float:
    same = sum(1 for place, value in asked.fields.items() if other.fields.get(place, ...) == value)
    share = same / max(len(asked.fields), len(other.fields), 1)
    return share + 2 * (asked.head == other.head) + (asked.question.provider == other.question.provider)


def differences(asked: Form, recorded: Form) -> list[str]:
    """What differs, one line each: what is called first, then the fields of the body in their order."""
    was, now = recorded.question, asked.question
    lines = [
        _changed(name, before, after)
        for name, before, after in (
            ("provider", was.provider, now.provider),
            ("method", was.method, now.method),
            ("target", was.target, now.target),
        )
        if before != after
    ]
    lines += _compare("", recorded.body, asked.body)
    more = len(lines) - _MOST_LINES
    return [*lines[:_MOST_LINES], f"and {more} more"] if more > 1 else lines


def _compare(place: str, was: Any, now: Any) -> Iterator[str]:
    if _CHANGING.sub("#", json.dumps(was, sort_keys=True)) == _CHANGING.sub("#", json.dumps(now, sort_keys=True)):
        return
    if isinstance(was, dict) and isinstance(now, dict):
        for name in dict.fromkeys([*was, *now]):
            inner = f"{place}.{name}" if place else name
            if name not in now:
                yield f"{inner}: recorded {_shown(was[name])}, now left out"
            elif name not in was:
                yield f"{inner}: now {_shown(now[name])}, not in the recorded call"
            else:
                yield from _compare(inner, was[name], now[name])
    elif isinstance(was, list) and isinstance(now, list):
        if len(was) != len(now):
            yield f"{place or 'body'}: recorded {len(was)} of them, now {len(now)}"
        for index, (before, after) in enumerate(zip(was, now, strict=False)):
            yield from _compare(f"{place}[{index}]", before, after)
    else:
        yield _changed(place or "body", was, now)


def _changed(name: str, was: Any, now: Any) -> str:
    if isinstance(was, str) and isinstance(now, str):
        same = next((at for at, (a, b) in enumerate(zip(was, now, strict=False)) if a != b), min(len(was), len(now)))
        begin = max(0, same - _AROUND) if max(len(was), len(now)) > _LONGEST else 0
        return f"{name}: recorded {_shown(was, begin)}, now {_shown(now, begin)}"
    return f"{name}: recorded {_shown(was)}, now {_shown(now)}"


def _shown(value: Any, begin: int = 0) -> str:
    """As JSON, at most one line long; of a text the part from `begin`."""
    if isinstance(value, str):
        part = value[begin : begin + _LONGEST]
        cut = "..." if begin + _LONGEST < len(value) else ""
        return json.dumps(f"{'...' if begin else ''}{part}{cut}", ensure_ascii=False)
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _leaves(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _leaves(f"{place}.{name}" if place else name, item)
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _leaves(f"{place}[{index}]", item)
    else:
        yield place, value
