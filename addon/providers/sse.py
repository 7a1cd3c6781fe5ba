"""Server-sent events out of a whole body. https://html.spec.whatwg.org/multipage/server-sent-events.html

Two differences from a browser: a last event without its blank line counts (providers leave it out, streams are cut),
and `id` and `retry` mean nothing to us.
"""

import re
from collections.abc import Iterator
from typing import Final

from addon.providers.model import Event

# str.splitlines would also cut at U+2028 and friends, which are legal inside JSON strings.
LINE_END: Final = re.compile(r"\r\n|\n|\r")


def events(data: bytes) -> Iterator[Event]:
    """Every event that has data. Invalid UTF-8 becomes U+FFFD; nothing raises."""
    name: str | None = None
    lines: list[str] = []
    for line in LINE_END.split(data.decode("utf-8", errors="replace").removeprefix("\ufeff")):
        if line:
            field, _, value = line.partition(":")  # a comment starts with ":", so its field is ""
            value = value.removeprefix(" ")
            if field == "data":
                lines.append(value)
            elif field == "event":
                name = value
        else:
            if lines:
                yield Event(event=name, data="\n".join(lines))
            name, lines = None, []
    if lines:
        yield Event(event=name, data="\n".join(lines))
