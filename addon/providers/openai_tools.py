"""What the built-in tools of OpenAI's responses cost beside the tokens. https://developers.openai.com/api/docs/pricing

The output lists each use; newer answers sum them up in `tool_usage` (the SDK's types/responses/response.py).
"""

from collections.abc import Sequence
from decimal import Decimal

from addon.providers.fields import at, count, items, string
from addon.providers.model import Json


def units(response: Json, output: Sequence[Json]) -> dict[str, Decimal | None]:
    kinds = [at(item, "type") for item in output]
    used: dict[str, int | None] = {
        "preview_web_searches" if _is_preview(response) else "web_searches": _web_searches(response, output),
        "storage_searches": kinds.count("file_search_call"),
        "container_sessions": _new_containers(response, output),
    }
    if "image_generation_call" in kinds or at(response, "tool_usage", "image_gen", "total_tokens"):
        used |= _image_tokens(response)
    return {unit: None if number is None else Decimal(number) for unit, number in used.items() if number != 0}


def price_factors(response: Json, output: Sequence[Json]) -> dict[str, str]:
    factors: dict[str, str] = {}
    if tier := string(at(response, "service_tier")):
        factors["service_tier"] = tier
    kinds = [at(item, "type") for item in output]
    if "image_generation_call" in kinds:  # charged by the tokens of a model of its own
        factors["image_model"] = string(at(_tool(response, "image_generation"), "model")) or "unknown"
    if _new_containers(response, output) != 0:
        container = at(_tool(response, "code_interpreter"), "container")
        factors["container_memory"] = string(at(container, "memory_limit")) or "1g"
    if any(at(item, "type") == "shell_call" and not _is_local(item, response) for item in output):
        factors["tool"] = "shell_call"  # in a container whose price no answer tells
    return factors


def _web_searches(response: Json, output: Sequence[Json]) -> int:
    """Only the search itself is charged, not the pages opened after it."""
    stated = count(at(response, "tool_usage", "web_search", "num_requests"))
    listed = sum(
        at(item, "type") == "web_search_call" and at(item, "action", "type") in (None, "search") for item in output
    )
    return listed if stated is None else stated


def _new_containers(response: Json, output: Sequence[Json]) -> int | None:
    """A container that the request named was charged when it was made. `auto` makes one, or goes on with that of an
    earlier response."""
    used = [string(at(item, "container_id")) for item in output if at(item, "type") == "code_interpreter_call"]
    named = string(at(_tool(response, "code_interpreter"), "container"))
    return None if None in used else len({*used} - {named})


def _image_tokens(response: Json) -> dict[str, int | None]:
    """Tokens of the image model; None where an answer does not state them."""
    stated = at(response, "tool_usage", "image_gen")
    inside, cached = at(stated, "input_tokens_details"), at(stated, "cached_tokens_details")
    text, cached_text = count(at(inside, "text_tokens")), count(at(cached, "cached_text_tokens"))
    image, cached_image = count(at(inside, "image_tokens")), count(at(cached, "cached_image_tokens"))
    written = count(at(stated, "output_tokens_details", "text_tokens")) or 0
    if not count(at(stated, "cached_tokens")):
        cached_text = cached_image = 0
    # Cached ones are cheaper, and how many of words and of images they are is not always said.
    return {
        "image_tool_input_text_tokens": _rest(text, cached_text),
        "image_tool_cached_text_tokens": cached_text,
        "image_tool_input_image_tokens": _rest(image, cached_image),
        "image_tool_cached_image_tokens": cached_image,
        "image_tool_output_tokens": _rest(count(at(stated, "output_tokens")), written),
        "image_tool_output_text_tokens": written,
    }


def _rest(total: int | None, part: int | None) -> int | None:
    return None if total is None or part is None or part > total else total - part


def _is_local(shell_call: Json, response: Json) -> bool:
    """Whether the caller's own machine runs it. The call says it itself, else the tool does."""
    place = at(shell_call, "environment") or at(_tool(response, "shell"), "environment")
    return bool(at(place, "type") == "local")


def _is_preview(response: Json) -> bool:
    tools = [string(at(tool, "type")) or "" for tool in items(at(response, "tools"))]
    return any(tool.startswith("web_search_preview") for tool in tools)


def _tool(response: Json, kind: str) -> Json:
    return next((tool for tool in items(at(response, "tools")) if at(tool, "type") == kind), None)
