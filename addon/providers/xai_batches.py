"""The results of xAI's batches, page by page: `GET /v1/batches/{id}/results`. https://docs.x.ai/developers/advanced-api-usage/batch-api

Each answer states its own cost, the discount of batches in it: https://docs.x.ai/developers/cost-tracking
"""

from collections.abc import Callable
from dataclasses import replace

from addon.providers.batches import sum_of
from addon.providers.fields import at, error_type, items, string
from addon.providers.model import Asked, Json, Operation, Reading

# `{"batch_result": {"response": {"chat_get_completion": {... "usage"}}}}`: the kind of answer names the innermost one.
_DEEPEST = 4


def operation(base: str, read_answer: Callable[[Json], Reading]) -> Operation:
    """`base`: a regular expression such as `/v1`."""
    return Operation(
        name="batch_results",
        path=f"{base}/batches/[^/]+/results/?",
        method="GET",
        read_json=lambda body: read_page(body, read_answer),
        with_request=charged_by_page,
    )


def read_page(body: Json, read_answer: Callable[[Json], Reading]) -> Reading:
    """`{"results": [{"batch_request_id", "batch_result" | "error_message"}], "pagination_token"}`."""
    results = items(at(body, "results"))
    answers = [answer for result in results if (answer := _with_usage(result, _DEEPEST)) is not None]
    first = string(at(results[0], "batch_request_id")) if results else None
    return replace(sum_of([read_answer(answer) for answer in answers]), response_id=first, error_type=error_type(body))


def charged_by_page(reading: Reading, asked: Asked) -> Reading:
    """A page that is fetched twice is charged once. It is known by its first request."""
    batch = asked.path.removesuffix("/").split("/")[-2]
    charged = f"batch {batch} from {reading.response_id}" if reading.usage else None
    return replace(reading, response_id=batch, charged_once=charged)


def _with_usage(value: Json, depth: int) -> Json:
    if not isinstance(value, dict) or depth < 0:
        return None
    if isinstance(value.get("usage"), dict):
        return value
    found = (_with_usage(member, depth - 1) for member in value.values())
    return next((answer for answer in found if answer is not None), None)
