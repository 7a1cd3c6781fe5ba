"""OpenAI's videos, priced by the second that is to be made. https://developers.openai.com/api/reference/resources/videos

The answer to the request that starts a job states its length and size; looking at the job later costs nothing. A job that
fails afterwards is not charged, which no answer to its request can tell.
"""

from dataclasses import replace
from decimal import Decimal

from addon.providers.fields import amount, at, error_type, string
from addon.providers.model import Asked, Json, Reading


def read_json(body: Json) -> Reading:
    """A video job: `{id, model, seconds: "8", size: "720x1280", status, error?}`."""
    seconds, size = amount(at(body, "seconds")), string(at(body, "size"))
    failed = at(body, "status") == "failed"
    return Reading(
        response_model=string(at(body, "model")),
        response_id=string(at(body, "id")),
        units={} if seconds is None or failed else {"video_seconds": seconds},
        price_factors={"size": size} if size else {},
        error_type=error_type(body),
        is_free=failed,
    )


def with_request(reading: Reading, asked: Asked) -> Reading:
    """An extension states the length of the whole: only what is added is made."""
    added = amount(at(asked.body, "seconds"))
    if added is None or not asked.path.rstrip("/").endswith("/extensions") or "video_seconds" not in reading.units:
        return reading
    return replace(reading, units={"video_seconds": Decimal(added)})
