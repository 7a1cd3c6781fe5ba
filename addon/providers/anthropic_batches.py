"""The results of a message batch: a file of JSON lines, one a request. https://platform.claude.com/docs/en/build-with-claude/batch-processing

A download is one row with the sum of all messages. The batch's price is half the list's, and its tiers of length are those
of each message by itself.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from addon.providers import anthropic
from addon.providers.batches import sum_of
from addon.providers.fields import at, dumped, error_type, json_of
from addon.providers.framing.table import JSON_LINES
from addon.providers.model import Asked, Event, Json, Operation, Reading


def read_results(events: Iterable[Event]) -> Reading:
    """Each line is `{"custom_id", "result": {"type": "succeeded", "message": {...}}}`; failed requests cost nothing."""
    readings = [
        anthropic.read_json(message)
        for event in events
        if (message := at(json_of(event), "result", "message")) is not None
    ]
    return sum_of(readings)


def read_json(body: Json) -> Reading:
    """An error; or results of a single line, whose framing nobody can tell."""
    if at(body, "result") is not None:
        return read_results([Event(event=None, data=dumped(body))])
    return Reading(error_type=error_type(body), is_free=True)


def with_request(reading: Reading, asked: Asked) -> Reading:
    """The batch is named in the path alone; its results are charged once, however often they are downloaded."""
    batch = asked.path.rstrip("/").split("/")[-2]
    return replace(reading, response_id=batch, charged_once=f"batch {batch}" if reading.usage else None)


RESULTS: Final = Operation(
    name="batch_results",
    path="/v1/messages/batches/[^/]+/results/?",
    method="GET",
    json_framing=JSON_LINES,
    read_json=read_json,
    read_stream=read_results,
    with_request=with_request,
)

# Claude Platform on Google Cloud, at the same prices: anthropic/lib/google_cloud/_client.py
_ON_GOOGLE_CLOUD: Final = "/v1/projects/[^/]+/locations/[^/]+/(?:workspaces/[^/]+|claudeOrganization)/invoke"


# All that api.anthropic.com does: batches are made of messages, so they are known here and not there.
_OPERATIONS: Final = (*anthropic.PROVIDER.operations, RESULTS)
PROVIDER: Final = replace(
    anthropic.PROVIDER,
    hosts=(*anthropic.PROVIDER.hosts, "claude.googleapis.com"),
    operations=(*_OPERATIONS, *(operation.below(_ON_GOOGLE_CLOUD) for operation in _OPERATIONS)),
)
