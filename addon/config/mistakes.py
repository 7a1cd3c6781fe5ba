"""The words of messages about settings: a value as it was written, and the nearest valid name. Pure."""

import difflib
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

_LONGEST: Final = 60  # characters of a value in a message


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
    near = near or difflib.get_close_matches(asked, known, n=1)
    return f"; did you mean {near[0]!r}" if near else ""
