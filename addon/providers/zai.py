"""What Z.ai and Zhipu have beside OpenAI's shape. https://docs.z.ai/api-reference; paths as in zai/api_resource of PyPI's zai-sdk.

A completion that is asked for later answers with its id; the result is looked at until it is there.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from addon.providers import openai_shaped, openai_usage
from addon.providers.fields import at, error_type, items, one_request, string
from addon.providers.model import Json, Operation, Reading
from addon.providers.polled import charged_by_path, under_way

_BASE: Final = "/api/(?:coding/)?paas/v4"


def complete(reading: Reading, chunks: Sequence[Json]) -> Reading:
    """Results of a web search stand at the top of an answer; how many searches are charged it does not say."""
    if any(at(chunk, "web_search") for chunk in chunks):
        return replace(reading, units=reading.units | {"web_searches": None})
    return reading


def read_asked_for(body: Json) -> Reading:
    """`{id, request_id, model, task_status}`: what it costs is in the answer that is fetched."""
    asked = Reading(
        response_model=string(at(body, "model")), response_id=string(at(body, "id")), error_type=error_type(body)
    )
    return under_way(asked)


def read_fetched(body: Json) -> Reading:
    """A completion, charged once, with `task_status`; or else one that is not done, or a picture or a video, which were
    charged when they were asked for."""
    if not items(at(body, "choices")):
        return read_asked_for(body)
    reading = openai_shaped.read_json(body)
    reading = replace(reading, usage=openai_usage.usage(reading.usage_raw))
    return complete(reading, [body])


def read_search(body: Json) -> Reading:
    units: dict[str, Decimal | None] = {} if error_type(body) else {"web_searches": Decimal(1)}
    return Reading(response_id=string(at(body, "id")), units=units, error_type=error_type(body))


def read_layout(body: Json) -> Reading:
    """GLM-OCR: `{id, model, md_results, usage}`, charged by the token."""
    reading = openai_shaped.read_json(body)
    return replace(reading, usage=openai_usage.usage(reading.usage_raw), text=string(at(body, "md_results")))


def read_file(body: Json) -> Reading:
    """A page or a file that was read, for a fee by the piece."""
    failure = error_type(body)
    text = string(at(body, "content")) or string(at(body, "reader_result", "content"))
    return Reading(
        response_id=string(at(body, "task_id")) or string(at(body, "id")),
        units=one_request(failure),
        text=text,
        error_type=failure,
    )


OPERATIONS: Final = (
    Operation(name="web_reader", path=f"{_BASE}/reader/?", read_json=read_file),
    Operation(name="document_parsing", path=f"{_BASE}/files/parser/(?:create|sync)/?", read_json=read_file),
    Operation(name="ocr", path=f"{_BASE}/files/ocr/?", read_json=read_file),
    Operation(name="chat", path=f"{_BASE}/async/chat/completions/?", read_json=read_asked_for),
    Operation(
        name="chat",
        method="GET",
        path=f"{_BASE}/async-result/[^/]+",
        read_json=read_fetched,
        with_request=charged_by_path,
    ),
    Operation(name="web_search", path=f"{_BASE}/web_search/?", read_json=read_search),
    Operation(name="ocr", path=f"{_BASE}/layout_parsing/?", read_json=read_layout),
)
