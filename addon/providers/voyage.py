"""Voyage's embeddings of images and of chunks in their context. https://docs.voyageai.com/reference"""

from dataclasses import replace
from decimal import Decimal
from typing import Final

from addon.providers import openai_shaped
from addon.providers.fields import at, count
from addon.providers.model import Json, Operation, Reading

_UNITS: Final = {
    "input_text_tokens": "text_tokens",
    "input_pixels": "image_pixels",
    "input_video_pixels": "video_pixels",
}


def read_multimodal(body: Json) -> Reading:
    """`usage: {text_tokens, image_pixels, video_pixels, total_tokens}`: words are charged by the token, images by the pixel.

    The total has a token for 560 pixels, which is not charged as such.
    """
    reading = openai_shaped.read_embeddings(body)
    stated = {unit: count(at(reading.usage_raw, name)) for unit, name in _UNITS.items()}
    return replace(reading, units={unit: Decimal(number) for unit, number in stated.items() if number})


OPERATIONS: Final = (
    Operation(name="embeddings", path="/v1/multimodalembeddings/?", read_json=read_multimodal),
    Operation(
        name="embeddings",
        path="/v1/contextualizedembeddings/?",
        read_json=openai_shaped.read_embeddings,
    ),
)
