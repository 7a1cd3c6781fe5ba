"""A shape that several companies speak, completed by what one of them adds to the answer."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from addon.providers.fields import amount, json_of
from addon.providers.framing.model import BodyEvents
from addon.providers.model import Asked, Event, Json, Operation, Reading

# Adds to a reading what only one provider says. It is given the answer's body, or the parsed events of its stream.
Complete = Callable[[Reading, Sequence[Json]], Reading]


def completed(operation: Operation, complete: Complete) -> Operation:
    read_json, read_stream = operation.read_json, operation.read_stream

    def completed_json(body: Json) -> Reading:
        return complete(read_json(body) if read_json else Reading(), [body])

    def completed_stream(events: Iterable[Event]) -> Reading:
        seen = BodyEvents.of(events)
        return complete(read_stream(seen) if read_stream else Reading(), [json_of(event) for event in seen.distinct()])

    return replace(
        operation,
        read_json=read_json and completed_json,
        read_stream=read_stream and completed_stream,
    )


def with_stated_cost(
    operation: Operation, header: str, otherwise: Callable[[Json, Asked], Decimal | None] | None = None
) -> Operation:
    """The same, whose cost in USD a header of the answer may state. `otherwise` finds it in the usage, where the header is empty."""
    complete = operation.with_request

    def with_request(reading: Reading, asked: Asked) -> Reading:
        reading = complete(reading, asked) if complete else reading
        if reading.stated_cost_usd is not None:
            return reading
        stated = amount(asked.answer_headers.get(header))
        if stated is None and otherwise:
            stated = otherwise(reading.usage_raw, asked)
        return reading if stated is None else replace(reading, stated_cost_usd=stated)

    return replace(operation, with_request=with_request, answer_headers=(*operation.answer_headers, header))
