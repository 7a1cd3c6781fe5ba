"""Anthropic's messages as other companies serve them: the same shape below another path."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from addon.providers import anthropic
from addon.providers.fields import json_of
from addon.providers.model import Event, Json, Operation, Reading
from addon.providers.openai_shaped import Complete

_MESSAGES: Final = next(operation for operation in anthropic.PROVIDER.operations if operation.name == "chat")


def messages(path: str, complete: Complete | None = None) -> Operation:
    """`path`: a regular expression, all of it. `complete`: adds what only this provider says."""

    def json_reading(body: Json) -> Reading:
        return _completed(anthropic.read_json(body), [body])

    def stream_reading(events: Iterable[Event]) -> Reading:
        seen = list(events)
        return _completed(anthropic.read_stream(seen), [json_of(event) for event in seen])

    def _completed(reading: Reading, chunks: Sequence[Json]) -> Reading:
        return complete(reading, chunks) if complete else reading

    return replace(_MESSAGES, path=f"{path}/?", read_json=json_reading, read_stream=stream_reading)
