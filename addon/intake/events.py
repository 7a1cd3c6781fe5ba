"""What may be said of a call: a rating, scores, properties. Checked here for the API and for the command line.

Every function raises ValueError with a sentence that names the field and says what is allowed.
"""

import math
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from addon.storage.record import FeedbackRow, PropertyChangeRow, ScoreRow

NAME_CHARS: Final = 256
VALUE_CHARS: Final = 4096  # of a property; Helicone states no limit, a header that long passes nowhere

# Where Helicone keeps what is said of a session: properties of its first call.
SESSION_FEEDBACK: Final = "helicone-session-feedback"
SESSION_TAG: Final = "helicone-session-tag"


def feedback(request_id: str, rating: object, at: datetime) -> FeedbackRow:
    return FeedbackRow(request_id=request_id, created_at=at, rating=parse_rating(rating))


def parse_rating(rating: object) -> bool:
    if not isinstance(rating, bool):
        raise ValueError(f"rating: is {_short(rating)}, write true or false")
    return rating


def scores(request_id: str, given: object, at: datetime) -> list[ScoreRow]:
    """One row for each name of an object like `{"accuracy": 0.8, "polite": true}`."""
    if not isinstance(given, dict):
        raise ValueError(f'scores: is {_short(given)}, write an object, e.g. {{"accuracy": 0.8}}')
    return [
        ScoreRow(
            request_id=request_id, created_at=at, name=_name("scores", name), value=_number(f"scores.{name}", value)
        )
        for name, value in given.items()
    ]


def score(request_id: str, name: object, value: object, at: datetime) -> ScoreRow:
    """The older form: one score, its name and value in fields of their own."""
    return ScoreRow(request_id=request_id, created_at=at, name=_name("name", name), value=_number("score", value))


def property_change(request_id: str, key: object, value: object, at: datetime) -> PropertyChangeRow:
    name = _name("key", key).strip().lower()  # as those of headers
    if not name:
        raise ValueError("key: is empty")
    return PropertyChangeRow(request_id=request_id, created_at=at, name=name, value=parse_text("value", value))


def session_feedback(request_id: str, rating: object, at: datetime) -> PropertyChangeRow:
    return property_change(request_id, SESSION_FEEDBACK, "1" if parse_rating(rating) else "0", at)


def session_tag(request_id: str, tag: object, at: datetime) -> PropertyChangeRow:
    return property_change(request_id, SESSION_TAG, parse_text("tag", tag), at)


def parse_text(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{field}: is {_short(value)}, write text")
    if len(value) > VALUE_CHARS:
        raise ValueError(f"{field}: has {len(value):,} characters, {VALUE_CHARS:,} are allowed")
    return value


def pairs(option: str, given: Iterable[str]) -> dict[str, str]:
    """`name=value` of the command line, the last of a name; `option` for the message."""
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ValueError(f"{option} {text}: write NAME=VALUE")
        found[name.strip()] = value.strip()
    return found


def parse_score(text: str) -> float | bool | str:
    """A score as typed: a number, or true or false. Other text comes back as it is, for the message of `scores`."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return float(text)
    except ValueError:
        return text


def _name(field: str, name: object) -> str:
    if not isinstance(name, str) or not name:
        raise ValueError(f"{field}: a name is {_short(name)}, write text")
    if len(name) > NAME_CHARS:
        raise ValueError(f"{field}: the name {_short(name)} has {len(name):,} characters, {NAME_CHARS} are allowed")
    if any(ord(char) < 32 or ord(char) == 127 for char in name):
        raise ValueError(f"{field}: the name {_short(name)} has a control character")
    return name


def _number(field: str, value: object) -> float:
    if not isinstance(value, int | float):  # a bool is an int: true is 1
        raise ValueError(f"{field[:NAME_CHARS]}: is {_short(value)}, write a number, true or false")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{field[:NAME_CHARS]}: is {_short(value)}, which is not a finite number")
    return number


def _short(value: object) -> str:
    """A value for a message; JSON's words for what has others in Python."""
    if value is None:
        return "null or missing"
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
