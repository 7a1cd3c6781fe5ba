"""How long one call may wait, by its headers, in seconds: `Helicone-Timeout: connect=5;first-byte=30;idle=20;total=120`.

Pure. The config holds the default timeouts; a caller may set shorter and longer ones.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

# `heliograph up` closes a connection that is silent for 4000 s, so no longer silence than an hour can be allowed.
LONGEST_SILENCE_S: Final = 3600
LONGEST_ANSWER_S: Final = 86_400
# Helicone's `Helicone-Increase-Timeout: true` gives a call 30 minutes.
INCREASED_S: Final = 1800.0
# A head comes in one piece, or in some over a slow network; a TLS handshake takes a few round trips. Node allows 60 s, hyper 30.
HEAD_S: Final = 30.0

# What a caller writes -> the field of Timeouts, and the most that it may be.
_PARTS: Final = {
    "connect": ("connect_s", LONGEST_SILENCE_S),
    "first-byte": ("first_byte_s", LONGEST_SILENCE_S),
    "idle": ("idle_s", LONGEST_SILENCE_S),
    "total": ("total_s", LONGEST_ANSWER_S),
}
_SECONDS: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


class Timeouts(NamedTuple):
    """Seconds. The official SDKs give up after 600 s themselves; ours must not end a call that they still wait for.

    A tuple, since it is in the metadata of flows: `mitmdump -w` and mitmweb's download can write nothing else of ours.
    """

    connect_s: float = 30.0
    first_byte_s: float = 600.0
    idle_s: float = 300.0
    total_s: float = 3600.0


def parse_timeouts(text: str) -> dict[str, float]:
    """The fields of Timeouts that the header names; any of them may be left out. Raises ValueError."""
    named: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, _, value = (side.strip() for side in part.partition("="))
        if name.lower() not in _PARTS:
            raise ValueError(
                f"{part[:40]!r} is not a timeout; there are {', '.join(_PARTS)}, e.g. first-byte=30;idle=20"
            )
        field, longest_s = _PARTS[name.lower()]
        if field in named:
            raise ValueError(f"{name.lower()} is named twice")
        if not _SECONDS.fullmatch(value) or not 0 < float(value) <= longest_s:
            raise ValueError(
                f"{part[:40]!r} is not a time; write seconds above 0 and up to {longest_s}, e.g. {name}=30"
            )
        named[field] = float(value)
    if not named:
        raise ValueError(f"it names no timeout; there are {', '.join(_PARTS)}, e.g. first-byte=30;idle=20")
    return named


def call_timeouts(defaults: Timeouts, named: Mapping[str, float], increased: bool) -> Timeouts:
    """The timeouts of one call. `named` (from its header) wins. `increased` raises all but the connect timeout to at least
    30 minutes. Everything else is as in `defaults`."""
    if increased:
        defaults = defaults._replace(
            first_byte_s=max(defaults.first_byte_s, INCREASED_S),
            idle_s=max(defaults.idle_s, INCREASED_S),
            total_s=max(defaults.total_s, INCREASED_S),
        )
    return defaults._replace(**named) if named else defaults
