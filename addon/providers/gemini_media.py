"""Gemini's and Vertex's other operations: embeddings, images (Imagen), video (Veo), music (Lyria), the counting of tokens."""

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Final

from addon.providers.fields import at, count, error_type, items, string, the_one
from addon.providers.gemini_usage import Units, token_parts, usage
from addon.providers.model import Asked, Json, Operation, Reading, Usage

# https://ai.google.dev/gemini-api/docs/video: 8 seconds in 720p, where the request says nothing.
_SECONDS, _RESOLUTION = 8, "720p"
_MADE: Final = ("bytesBase64Encoded", "gcsUri", "audioContent")


def operations(model: str) -> tuple[Operation, ...]:
    """`model`: a regular expression of the path of any model, with a group `model`."""
    return (
        _operation("embeddings", model + ":(?:embedContent|batchEmbedContents)", read_embedding),
        Operation(name="count_tokens", path=model + ":(?:countTokens|computeTokens)", is_free=True),
        *predictions(model),
        Operation(
            name="video_generation",
            path=model + ":predictLongRunning",
            read_json=read_started,
            with_request=video_asked,
        ),
    )


def predictions(model: str) -> tuple[Operation, ...]:
    """`:predict` does what its model does."""
    return (
        _operation("embeddings", _named(model, r"[^/:]*embedding[^/:]*") + ":predict", read_predicted_embeddings),
        _operation("music_generation", _named(model, r"lyria[^/:]*") + ":predict", read_songs),
        _operation("image_generation", model + ":predict", read_images),
    )


def read_embedding(body: Json) -> Reading:
    """`usageMetadata` is in the answers of newer models only: google-genai 3.4, types.EmbedContentResponse."""
    raw = at(body, "usageMetadata")
    tokens = usage(raw)
    if raw is None:
        counts = [count(at(part, "statistics", "tokenCount")) for part in _embeddings(body)]
        known = [number for number in counts if number is not None]
        tokens = Usage(input_tokens=sum(known)) if known and len(known) == len(counts) else None
    elif tokens:
        tokens = replace(tokens, output_tokens=None)
    return Reading(usage=tokens, usage_raw=raw, units=token_parts(raw), error_type=error_type(the_one(body)))


def read_predicted_embeddings(body: Json) -> Reading:
    """Vertex counts tokens for each text and, for models billed by character, the characters of all of them.

    https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
    """
    counts = [
        count(at(prediction, "embeddings", "statistics", "token_count"))
        for prediction in items(at(body, "predictions"))
        if at(prediction, "embeddings")
    ]
    known = [number for number in counts if number is not None]
    characters = count(at(body, "metadata", "billableCharacterCount"))
    units: Units = {} if characters is None else {"input_characters": Decimal(characters)}
    tokens = Usage(input_tokens=sum(known)) if known and len(known) == len(counts) else None
    raw = {key: value for key in ("metadata",) if (value := at(body, key))} or None
    return Reading(usage=tokens, usage_raw=raw, units=units, error_type=error_type(the_one(body)))


def read_images(body: Json) -> Reading:
    """`{"predictions": [{"mimeType", "bytesBase64Encoded"}]}`; one that the filter held back is not billed."""
    return _made(body, "images")


def read_songs(body: Json) -> Reading:
    return _made(body, "songs")


def read_started(body: Json) -> Reading:
    """The name of the operation that makes the video."""
    name = string(at(body, "name"))
    return Reading(response_id=name, error_type=error_type(the_one(body)))


def video_asked(reading: Reading, asked: Asked) -> Reading:
    """Seconds and resolution are in the request only. https://ai.google.dev/gemini-api/docs/pricing#veo-3.1"""
    if reading.response_id is None:
        return reading
    told = at(asked.body, "parameters")
    seconds = count(_number(at(told, "durationSeconds"))) or _SECONDS
    videos = count(_number(at(told, "sampleCount"))) or count(_number(at(told, "numberOfVideos"))) or 1
    factors = {"resolution": (string(at(told, "resolution")) or _RESOLUTION).lower()}
    if at(told, "generateAudio") is False:
        factors["audio"] = "none"
    return replace(reading, units={"video_seconds": Decimal(seconds * videos)}, price_factors=factors)


def _operation(name: str, path: str, read: Callable[[Json], Reading]) -> Operation:
    return Operation(name=name, path=path, read_json=read)


def _named(model: str, pattern: str) -> str:
    return re.sub(r"\(\?P<model>[^)]*\)", lambda _: f"(?P<model>{pattern})", model)


def _made(body: Json, unit: str) -> Reading:
    made = sum(1 for item in items(at(body, "predictions")) if any(at(item, key) for key in _MADE))
    return Reading(
        response_model=string(at(body, "modelDisplayName")),
        units={unit: Decimal(made)} if made else {},
        error_type=error_type(the_one(body)),
    )


def _embeddings(body: Json) -> list[Json]:
    return items(at(body, "embeddings")) or ([one] if (one := at(body, "embedding")) else [])


def _number(value: Json) -> Json:
    """Some SDKs send numbers as text."""
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 10 else value
