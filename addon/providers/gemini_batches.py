"""The results of Gemini's batches: in the batch itself, or in a file of JSON lines. https://ai.google.dev/gemini-api/docs/batch-api

Names from google-genai 3.4, batches.py and files.py.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from addon.providers.batches import sum_of
from addon.providers.fields import at, dumped, error_type, items, parse, string
from addon.providers.framing.table import JSON_LINES
from addon.providers.gemini_media import read_embedding
from addon.providers.model import Asked, Event, Json, Operation, Reading

# The only length above which prices change. https://ai.google.dev/gemini-api/docs/pricing
LONGEST_TOKENS: Final = 200_000
_KINDS: Final = ("inlinedResponses", "inlinedEmbedContentResponses")
_ANSWER: Final = frozenset({"candidates", "promptFeedback", "usageMetadata", "embedding", "embeddings"})

Read = Callable[[Json], Reading]


def operations(version: str, read_answer: Read) -> tuple[Operation, ...]:
    """`version`: a regular expression such as `/v1(?:beta)?`; `read_answer` reads a GenerateContentResponse."""
    return (
        Operation(
            name="batch_results",
            path=f"{version}/batches/[^/:]+",
            method="GET",
            read_json=lambda body: read_batch(body, read_answer),
        ),
        Operation(
            name="batch_results",
            path=f"(?:/download)?{version}/files/[^/:]+:download",
            method="GET",
            json_framing=JSON_LINES,
            read_json=lambda body: read_file([Event(event=None, data=dumped(body))], read_answer),
            read_stream=lambda events: read_file(events, read_answer),
            with_request=charged_by_path,
        ),
    )


def read_batch(body: Json, read_answer: Read) -> Reading:
    """`{"name": "batches/...", "metadata": {"model"}, "done", "response": {"inlinedResponses": {"inlinedResponses": [...]}}}`.

    Without answers in it (it runs, or they are in a file) it is only looked at.
    """
    found = [
        item
        for output in (at(body, "response"), at(body, "metadata", "output"))
        for kind in _KINDS
        for item in items(at(output, kind, "inlinedResponses"))
    ]
    if at(body, "response") is not None and at(body, "metadata", "output") is not None:
        found = found[: len(found) // 2]  # both tell the same
    model = (string(at(body, "metadata", "model")) or "").rpartition("/")[2]
    reading = _sum([at(item, "response") for item in found], read_answer, model or None)
    name = string(at(body, "name"))
    charged = f"batch {name}" if name and reading.usage else None
    return replace(reading, response_id=name, charged_once=charged, error_type=error_type(body))


def read_file(events: Iterable[Event], read_answer: Read) -> Reading:
    """Lines `{"key", "response": {...}}` or `{"key", "error": {...}}`; any other file costs nothing."""
    lines = [event.data for event in events]
    answers: list[Json] = []
    for text in lines:
        line = parse(text)
        answer = at(line, "response")
        if answer is None and at(line, "error") is None:
            answer = line
        answers.append(answer)
    reading = _sum(answers, read_answer, None)
    failure = error_type(parse("\n".join(lines))) if reading.is_free and at(parse("\n".join(lines)), "error") else None
    return replace(reading, error_type=failure)


def charged_by_path(reading: Reading, asked: Asked) -> Reading:
    """A file that is downloaded twice is charged once."""
    return replace(reading, charged_once=f"file {asked.path}") if reading.usage else reading


def _sum(answers: list[Json], read_answer: Read, model: str | None) -> Reading:
    """Answers of embeddings name no model: it is the batch's."""
    readings = []
    for answer in answers:
        if not isinstance(answer, dict) or _ANSWER.isdisjoint(answer):
            continue
        reading = read_embedding(answer) if "embedding" in answer or "embeddings" in answer else read_answer(answer)
        readings.append(replace(reading, response_model=reading.response_model or model))
    return sum_of(readings, LONGEST_TOKENS)
