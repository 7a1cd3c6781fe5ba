"""Results of a batch: the file of JSON lines that `GET /v1/files/{id}/content` downloads, one line a request.

https://developers.openai.com/api/docs/guides/batch. Any other file passes as a download that costs nothing.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from addon.providers.batches import sum_of
from addon.providers.fields import at, count, dumped, error_type, parse
from addon.providers.framing.table import JSON_LINES
from addon.providers.model import Asked, Event, Json, Operation, Reading

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
    return sum_of(answers, SHORTEST_TIER_TOKENS)


def with_request(reading: Reading, asked: Asked) -> Reading:
    """A file that is downloaded twice is charged once."""
    return replace(reading, charged_once=f"file {asked.path}") if reading.usage_raw else reading


def results(path: str, read_body: Callable[[Json], Reading]) -> Operation:
    """The download of a file at `path`, a regular expression. A file of one line may be taken for a JSON answer."""
    return Operation(
        name="batch_results",
        path=f"{path}/?",
        method="GET",
        json_framing=JSON_LINES,
        read_json=lambda body: read_lines([Event(event=None, data=dumped(body))], read_body),
        read_stream=lambda events: read_lines(events, read_body),
        with_request=with_request,
    )
