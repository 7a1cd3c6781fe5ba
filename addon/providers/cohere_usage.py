"""What Cohere's answers say they used. Fields as in cohere 7.3, types/api_meta.py.

What is billed is `billed_units`, not `tokens`: those have Cohere's own preamble in them.
https://docs.cohere.com/docs/how-does-cohere-pricing-work
"""

from decimal import Decimal
from typing import Final

from addon.providers.fields import at, count
from addon.providers.model import Json, Usage

_UNITS: Final = {
    "search_units": "rerank_searches",
    "image_tokens": "input_image_tokens",
    "images": "input_images",
    "classifications": "classifications",
    "pages": "input_document_pages",
}


def usage(raw: Json) -> Usage | None:
    """`billed_units`, or `tokens` where nothing is said to be billed. Tokens of images are billed beside those of text."""
    billed = at(raw, "billed_units")
    counted = billed if any(count(at(billed, key)) is not None for key in _TOKENS) else at(raw, "tokens")
    text, image = count(at(counted, "text_tokens")), count(at(counted, "image_tokens"))
    if text is None:
        text = count(at(counted, "input_tokens"))
    output = count(at(counted, "output_tokens"))
    if text is None and image is None and output is None:
        return None
    total = None if text is None and image is None else (text or 0) + (image or 0)
    cached = count(at(raw, "cached_tokens"))
    # Cached tokens are some of `tokens`, of which fewer may be billed.
    return Usage(
        input_tokens=total,
        cache_read_input_tokens=cached if cached is not None and total is not None and cached <= total else None,
        output_tokens=output,
    )


_TOKENS: Final = ("input_tokens", "output_tokens", "text_tokens", "image_tokens")


def units(raw: Json) -> dict[str, Decimal | None]:
    """Images whose tokens are billed are not billed by the piece."""
    billed = at(raw, "billed_units")
    found = {unit: Decimal(number) for key, unit in _UNITS.items() if (number := count(at(billed, key)))}
    if "input_image_tokens" in found:
        found.pop("input_images", None)
    return {**found}
