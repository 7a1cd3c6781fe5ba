"""Results of a batch: the file of JSON lines that `GET /v1/files/{id}/content` downloads, one line a request.

https://developers.openai.com/api/docs/guides/batch. Any other file passes as a download that costs nothing.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Final

from addon.providers.fields import at, count, error_type, parse
from addon.providers.model import Asked, Event, Json, Reading
from addon.providers.openai_images import added

# No context tier of OpenAI begins below it. Requests above and below a tier cannot be priced by their sum.
SHORTEST_TIER_TOKENS: Final = 200_000
NOT_A_BATCH: Final = Reading(is_free=True)


def read_lines(events: Iterable[Event], read_body: Callable[[Json], Reading]) -> Reading:
    """The sum of all lines `{custom_id, response: {status_code, body}, error}`; `read_body` reads an answer by its shape."""
    lines = [event.data for event in events]
    answers: list[Reading] = []
    for text in lines:
        line = parse(text)
        if not {"custom_id", "response"} <= (line.keys() if isinstance(line, dict) else set()):
            failure = (
                error_type(parse("\n".join(lines))) if text is lines[0] else None
            )  # an error may take several lines
            return Reading(error_type=failure) if failure else NOT_A_BATCH
        status = count(at(line, "response", "status_code"))
        if status is not None and status < 400:
            answers.append(read_body(at(line, "response", "body")))
    return _sum([answer for answer in answers if answer.usage_raw]) if answers else NOT_A_BATCH


def _sum(answers: list[Reading]) -> Reading:
    if not answers:
        return NOT_A_BATCH  # moderations: nothing is counted
    total: Json = None
    units: dict[str, Decimal | None] = {"batch_requests": Decimal(len(answers))}
    factors = {"processing": "batch"}
    for answer in answers:
        total = added(total, answer.usage_raw)
        for unit, number in answer.units.items():
            before = units.get(unit, Decimal(0))
            units[unit] = None if before is None or number is None else before + number
        factors |= {name: value for name, value in answer.price_factors.items() if name != "service_tier"}
    models = {answer.response_model for answer in answers}
    if len(models) > 1:
        factors["model"] = "several"
    if max(_length(answer.usage_raw) for answer in answers) > SHORTEST_TIER_TOKENS:
        factors["context"] = "long"
    return Reading(
        response_model=next(iter(models)) if len(models) == 1 else None,
        usage_raw=total,
        units=units,
        price_factors=factors,
    )


def _length(raw: Json) -> int:
    return count(at(raw, "prompt_tokens")) or count(at(raw, "input_tokens")) or 0


def with_request(reading: Reading, asked: Asked) -> Reading:
    """A file that is downloaded twice is charged once."""
    return replace(reading, charged_once=f"file {asked.path}") if reading.usage_raw else reading
