"""What is kept of a body that the caller wants in no file: the facts that a row needs, never the words.

Only calls that ask for it (`Helicone-Omit-Request`, `-Omit-Response`) pay for being read in the proxy: on the event loop
where the decoded body is small, else in a thread. A body that expands beyond a bound leaves no facts.
"""

import re
from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any, Final

import orjson

from addon.metering.content_coding import decode
from addon.metering.reading import asked_model, read_answer
from addon.metering.terminal import answer_framing
from addon.providers.fields import parse
from addon.providers.model import Json, Operation, Reading, Usage

# The words of an answer: what `reading_only` forgets.
_WORDS: Final = frozenset({"text", "other_output"})
# What the settler reads of a request besides its words.
# The last line chooses the price of an image, a sound or a video.
_FACTS: Final = (
    *(
        "model",
        "user",
        "safety_identifier",
        "stream",
        "metadata",
        "client_metadata",
        "service_tier",
        "serviceTier",
        "speed",
    ),
    *("previous_response_id", "conversation"),  # whether a container for code may be an earlier one
    *("n", "size", "quality", "seconds", "duration", "response_format"),
    *("width", "height", "steps", "num_inference_steps", "samples", "image_num", "num_images"),
    *("imageGenerationConfig", "taskType", "guardrailConfig", "amazon-bedrock-guardrailConfig"),
)
# Members of which only the outline is kept: how many there are, which kinds, numbers. No words.
_OUTLINED: Final = (
    *("tools", "plugins", "parameters", "modelInput", "documents", "sources", "web_search_options"),
    *("images", "image", "inputImage", "singleEmbeddingParams", "segmentedEmbeddingParams", "audio", "video"),
    *("bbox_annotation_format", "document_annotation_format"),
)
_OUTLINE_KEYS: Final = frozenset(
    {
        *("type", "id", "retrieval", "enterpriseWebSearch", "enterprise_web_search"),
        *("durationSeconds", "sampleCount", "numberOfVideos", "resolution", "generateAudio"),
        *("videoGenerationConfig", "search_context_size", "multiShotManualParams", "shots"),
        *("images", "image", "inputImage", "audio", "video"),
    }
)
_NAME: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_MOST_ITEMS: Final = 10_000
# Speech is priced by its characters: their number stays, as a text of so many stars.
_COUNTED: Final = ("input", "text")
_LONGEST_COUNTED: Final = 100_000
_READING: Final = frozenset(item.name for item in fields(Reading))
# An answer is read by Python, event by event: about a second for so much.
_LONGEST_ANSWER_BYTES: Final = 8 * 2**20


def facts_only(body: bytes, content_encoding: str | None) -> bytes:
    """A request body without its words, uncompressed; b"" where it cannot be read."""
    decoded, _ = decode(body, content_encoding)
    request = parse(decoded)
    if not isinstance(request, dict):
        return b""
    facts = {name: request[name] for name in _FACTS if name in request}
    if model := asked_model(request):
        facts["model"] = model
    facts |= {name: _outline(request[name]) for name in _OUTLINED if name in request}
    facts |= {name: "*" * len(text) for name in _COUNTED if (text := _counted(request.get(name)))}
    return orjson.dumps(facts)


def _counted(value: Json) -> str | None:
    return value if isinstance(value, str) and len(value) <= _LONGEST_COUNTED else None


def _outline(value: Json) -> Json:
    """The same shape with names, numbers and known members only; True stands for what was left out."""
    if isinstance(value, dict):
        return {key: _told(value[key]) for key in value if key in _OUTLINE_KEYS} or bool(value)
    if isinstance(value, list):
        return [_outline(item) for item in value[:_MOST_ITEMS]]
    return bool(value) if isinstance(value, str) else value


def _told(member: Json) -> Json:
    """A known member may be a name: of a kind, a resolution."""
    return member if isinstance(member, str) and _NAME.fullmatch(member) else _outline(member)


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
