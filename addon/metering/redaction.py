"""What is kept of a body that the caller wants in no file: the facts that a row needs, never the words.

Only calls that ask for it (`Helicone-Omit-Request`, `-Omit-Response`) pay for being read here, on the proxy's loop.
"""

from dataclasses import fields
from typing import Any, Final

import orjson

from addon.metering.reading import decode, read_answer
from addon.providers.model import Operation, Reading

# The words of an answer: what `reading_only` forgets.
_WORDS: Final = frozenset({"text", "other_output"})
# What the settler reads of a request besides its words.
_FACTS: Final = ("model", "user", "stream", "metadata", "client_metadata", "service_tier", "speed")


def facts_only(body: bytes, content_encoding: str | None) -> bytes:
    """A request body without its words, uncompressed; b"" where it cannot be read."""
    try:
        request = orjson.loads(decode(body, content_encoding)[0])
    except orjson.JSONDecodeError:
        return b""
    if not isinstance(request, dict):
        return b""
    return orjson.dumps({name: request[name] for name in _FACTS if name in request})


def reading_only(operation: Operation, body: bytes, content_encoding: str | None, is_stream: bool) -> dict[str, Any]:
    """What an answer says of itself, as the fields of Reading, without its words."""
    reading = read_answer(operation, decode(body, content_encoding)[0], is_stream)
    return {field.name: getattr(reading, field.name) for field in fields(Reading) if field.name not in _WORDS}
