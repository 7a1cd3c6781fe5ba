"""Redacts the texts of a dataclass: a row, an event, what the journal says of a call."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from addon.redaction.redactor import Redactor

USER_FIELD: Final = "user_id"


def without_secrets[R](redactor: "Redactor", record: R, ours: frozenset[str], json: frozenset[str] = frozenset()) -> R:
    """The record without secrets in its texts, tuples and maps of text. Every field is searched but `ours`: made by us, or words
    of a fixed set. `json`: fields with JSON, or with a body as the table `bodies` has it; None where it must not be kept."""
    given, makers, new = list[str](), dict[str, Callable[[Sequence[str]], Any]](), dict[str, Any]()
    for field in fields(record):  # type: ignore[arg-type]  # any dataclass
        name, value = field.name, getattr(record, field.name)
        if not value or name in ours or not isinstance(value, str | tuple | dict):
            continue
        if isinstance(value, str) and name == USER_FIELD:
            new[name] = redactor.user(value)
        elif isinstance(value, str) and name in json:
            new[name] = redactor.kept_body(value)
        else:
            makers[name] = _gathered(given, value)
    found = redactor.texts(given)  # all at once
    return replace(record, **new, **{name: make(found) for name, make in makers.items()})  # type: ignore[type-var]


def _gathered(given: list[str], value: str | tuple[str, ...] | dict[str, str]) -> Callable[[Sequence[str]], Any]:
    """Adds the texts of a value. What it returns makes the value again of what became of them."""
    at = len(given)
    if isinstance(value, str):
        given.append(value)
        return lambda found: found[at]
    if isinstance(value, tuple):
        given += value
        return lambda found: tuple(found[at : at + len(value)])
    given += [*value, *value.values()]
    middle, end = at + len(value), at + 2 * len(value)
    return lambda found: dict(zip(found[at:middle], found[middle:end], strict=True))
