"""The results of a message batch: a file of JSON lines, one a request. https://platform.claude.com/docs/en/build-with-claude/batch-processing

A download is one row with the sum of all messages. The batch's price is half the list's, and its tiers of length are those
of each message by itself.
"""

import re
from collections.abc import Iterable
from dataclasses import fields, replace
from decimal import Decimal
from typing import Final

from addon.providers import anthropic
from addon.providers.fields import at, dumped, error_type, parse, string
from addon.providers.framing.table import JSON_LINES
from addon.providers.model import Asked, Event, Json, Operation, Reading, Usage

SEVERAL: Final = "several"


def read_results(events: Iterable[Event]) -> Reading:
    """Each line is `{"custom_id", "result": {"type": "succeeded", "message": {...}}}`; failed requests cost nothing."""
    readings = [
        anthropic.read_json(message)
        for event in events
        if (message := at(parse(event.data), "result", "message")) is not None
    ]
    counted = [reading for reading in readings if reading.usage is not None]
    if not counted:
        return Reading(is_free=True)
    units: dict[str, Decimal | None] = {"batch_requests": Decimal(len(counted))}
    for reading in counted:
        for unit, number in reading.units.items():
            known = units.get(unit, Decimal(0))
            units[unit] = None if known is None or number is None else known + number
    return Reading(
        response_model=_common(reading.response_model or "" for reading in counted) or None,
        finish_reasons=tuple(sorted({reason for reading in counted for reason in reading.finish_reasons})),
        usage=_sum([reading.usage for reading in counted if reading.usage]),
        usage_raw={"results": len(readings)},
        units=units,
        price_factors=_factors(counted),
    )


def read_json(body: Json) -> Reading:
    """An error; or results of a single line, whose framing nobody can tell."""
    if at(body, "result") is not None:
        return read_results([Event(event=None, data=dumped(body))])
    return Reading(error_type=error_type(body), is_free=True)


def with_request(reading: Reading, asked: Asked) -> Reading:
    """The batch is named in the path alone; its results are charged once, however often they are downloaded."""
    batch = asked.path.split("/")[4]
    return replace(reading, response_id=batch, charged_once=f"batch {batch}" if reading.usage else None)


def _sum(usages: list[Usage]) -> Usage:
    """A count that no message states stays unknown."""
    stated = {item.name: [getattr(usage, item.name) for usage in usages] for item in fields(Usage)}
    return Usage(
        **{
            name: sum(number or 0 for number in numbers) if any(number is not None for number in numbers) else None
            for name, numbers in stated.items()
        }
    )


def _factors(readings: list[Reading]) -> dict[str, str]:
    """What changes the price of every message; what differs among them, a model too, leaves the sum without a price."""
    names = {name for reading in readings for name in reading.price_factors} - {"service_tier"}
    factors = {name: _common(reading.price_factors.get(name, "") for reading in readings) for name in sorted(names)}
    models = {reading.response_model for reading in readings}
    return factors | {"processing": "batch"} | ({"models": SEVERAL} if len(models) > 1 else {})


def _common(values: Iterable[str]) -> str:
    """The value that all share, else "several"."""
    found = {value for value in values if string(value) is not None or value == ""}
    return found.pop() if len(found) == 1 else SEVERAL


RESULTS: Final = Operation(
    name="batch_results",
    path=re.compile("/v1/messages/batches/[^/]+/results/?"),
    method="GET",
    json_framing=JSON_LINES,
    read_json=read_json,
    read_stream=read_results,
    with_request=with_request,
)

# All that api.anthropic.com does: batches are made of messages, so they are known here and not there.
PROVIDER: Final = replace(anthropic.PROVIDER, operations=(*anthropic.PROVIDER.operations, RESULTS))
