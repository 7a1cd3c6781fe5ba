"""Mistakes in the settings: the words of their messages, and which section each is in. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

_LONGEST: Final = 60  # characters of a value in a message


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake, as one line for the person who made it."""

    section: str  # of the file; "" where the whole file cannot be read; else "--upstream" or "HTTPS_PROXY"
    text: str


def shown(value: Any) -> str:
    """A value of TOML for a message: short, and without what is inside a table, which may be a secret."""
    match value:
        case bool():
            return str(value).lower()
        case Decimal():
            return str(value).lower().replace("infinity", "inf")
        case dict():
            return "a table"
        case list():
            text = f"[{', '.join(map(shown, value))}]"
        case _:
            text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """`; did you mean 'openai'`, or nothing where no name comes near."""
    asked, known = name.lower(), list(names)
    # Two letters in the wrong order are the most frequent slip: `modle` is model, though `mode` is nearer by letters.
    near = [each for each in known if each != asked and sorted(each) == sorted(asked)]
    if not near:
        from difflib import get_close_matches  # 3 ms at each start, for a mistake

        near = get_close_matches(asked, known, n=1)
    return f"; did you mean {near[0]!r}" if near else ""


def problems_of(problems: Iterable[Problem], sections: Sequence[str]) -> str:
    """The lines about these sections, or about the whole file; "" where there are none."""
    return "\n".join(problem.text for problem in problems if problem.section in ("", *sections))
