"""What is kept of a body that the caller wants in no file: the facts that a row needs, never the words.

Only calls that ask for it (`Helicone-Omit-Request`, `-Omit-Response`) pay for being read in the proxy: on the event loop
where the decoded body is small, else in a thread. A body that expands beyond a bound leaves no facts.
"""

from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any, Final

import orjson

from addon.metering.content_coding import decode
from addon.metering.reading import read_answer
from addon.metering.terminal import answer_framing
from addon.providers.fields import parse
from addon.providers.model import Operation, Reading, Usage

# The words of an answer: what `reading_only` forgets.
_WORDS: Final = frozenset({"text", "other_output"})
# What the settler reads of a request besides its words.
# The last line chooses the price of an image, a sound or a video.
_FACTS: Final = (
    *("model", "user", "stream", "metadata", "client_metadata", "service_tier", "speed"),
    *("previous_response_id", "conversation"),  # whether a container for code may be an earlier one
    *("n", "size", "quality", "seconds", "duration", "response_format"),
    *("modelId", "imageGenerationConfig", "taskType", "guardrailConfig", "amazon-bedrock-guardrailConfig"),
)
_READING: Final = frozenset(item.name for item in fields(Reading))
# An answer is read by Python, event by event: about a second for so much.
_LONGEST_ANSWER_BYTES: Final = 8 * 2**20


def facts_only(body: bytes, content_encoding: str | None) -> bytes:
    """A request body without its words, uncompressed; b"" where it cannot be read."""
    decoded, _ = decode(body, content_encoding)
    request = parse(decoded)
    if not isinstance(request, dict):
        return b""
    return orjson.dumps({name: request[name] for name in _FACTS if name in request})


def reading_only(
    operation: Operation, body: bytes, content_encoding: str | None, content_type: str | None
) -> dict[str, Any]:
    """What an answer says of itself, without its words: the fields of Reading as JSON has them."""
    decoded, _ = decode(body, content_encoding, _LONGEST_ANSWER_BYTES)
    framing = answer_framing(operation, content_type)
    reading = read_answer(operation, decoded[:_LONGEST_ANSWER_BYTES], framing)
    return {name: value for name, value in reading_as_json(reading).items() if name not in _WORDS}


def reading_as_json(reading: Reading) -> dict[str, Any]:
    """The fields of a Reading as JSON has them: exact decimals become text."""
    told = {field.name: getattr(reading, field.name) for field in fields(Reading)}
    told["units"] = {unit: None if number is None else str(number) for unit, number in reading.units.items()}
    told["stated_cost_usd"] = None if reading.stated_cost_usd is None else str(reading.stated_cost_usd)
    return told


def reading_told(told: Mapping[str, Any]) -> Reading:
    """The Reading that `reading_only` made of an answer, or that a log stated. Unknown members are left out."""
    known = {name: value for name, value in told.items() if name in _READING}
    if known.get("usage") is not None:
        known["usage"] = Usage(**known["usage"])
    if "units" in known:
        known["units"] = {unit: None if text is None else Decimal(text) for unit, text in known["units"].items()}
    if known.get("stated_cost_usd") is not None:
        known["stated_cost_usd"] = Decimal(known["stated_cost_usd"])
    return Reading(**known)
