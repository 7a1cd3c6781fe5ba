"""What is kept of a body that the caller wants in no file: the facts that a row needs, never the words.

Only calls that ask for it (`Helicone-Omit-Request`, `-Omit-Response`) pay for being read in the proxy: on the event loop
where the decoded body is small, else in a thread. A body that expands beyond a bound leaves no facts.
"""

from dataclasses import fields
from typing import Any, Final

import orjson

from addon.metering.content_coding import decode
from addon.metering.reading import read_answer
from addon.providers.fields import parse
from addon.providers.model import Operation, Reading

# The words of an answer: what `reading_only` forgets.
_WORDS: Final = frozenset({"text", "other_output"})
# What the settler reads of a request besides its words.
_FACTS: Final = ("model", "user", "stream", "metadata", "client_metadata", "service_tier", "speed")
# An answer is read by Python, event by event: about a second for so much.
_LONGEST_ANSWER_BYTES: Final = 8 * 2**20


def facts_only(body: bytes, content_encoding: str | None) -> bytes:
    """A request body without its words, uncompressed; b"" where it cannot be read."""
    decoded, _ = decode(body, content_encoding)
    request = parse(decoded)
    if not isinstance(request, dict):
        return b""
    return orjson.dumps({name: request[name] for name in _FACTS if name in request})


def reading_only(operation: Operation, body: bytes, content_encoding: str | None, is_stream: bool) -> dict[str, Any]:
    """What an answer says of itself, as the fields of Reading, without its words."""
    decoded, _ = decode(body, content_encoding, _LONGEST_ANSWER_BYTES)
    reading = read_answer(operation, decoded[:_LONGEST_ANSWER_BYTES], is_stream)
    return {field.name: getattr(reading, field.name) for field in fields(Reading) if field.name not in _WORDS}
