"""LiteLLM's spend logs: rows of the table LiteLLM_SpendLogs, as CSV, JSON or JSON Lines (`COPY`, `GET /spend/logs`).

Columns that are read: request_id, call_type, model, custom_llm_provider, startTime, endTime, completionStartTime, prompt_tokens,
completion_tokens, spend, user, end_user, session_id, team_id, request_tags, cache_hit, status, metadata, messages, response. The
prompt includes what was cached; how much that was stands in `metadata.usage_object` (or `additional_usage_values`).

Source: https://github.com/BerriAI/litellm, schema.prisma, model LiteLLM_SpendLogs; litellm/proxy/spend_tracking.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from addon.ids import parse_uuid
from addon.intake.importing.columns import Columns, placed, texts
from addon.intake.importing.files import records
from addon.intake.importing.model import Imported, Source, milliseconds, moment
from addon.providers.fields import at, string
from addon.providers.model import Usage

NAME: Final = "litellm"
_NEEDED: Final = ("request_id", "call_type", "startTime", "prompt_tokens", "completion_tokens", "spend")
_OPERATIONS: Final = {
    "completion": "chat",
    "acompletion": "chat",
    "anthropic_messages": "chat",
    "embedding": "embeddings",
    "aembedding": "embeddings",
    "text_completion": "text_completion",
    "atext_completion": "text_completion",
    "responses": "responses",
    "aresponses": "responses",
}
_HIT: Final = frozenset({"true", "True"})


def fits(record: Mapping[str, Any]) -> bool:
    return all(name in record for name in _NEEDED)


def read(path: Path) -> Iterator[Imported]:
    for record in records(path):
        row = Columns(record)
        if row.text("cache_hit") in _HIT:
            continue  # answered from LiteLLM's cache: the provider was not asked
        yield _call(row)


def _call(row: Columns) -> Imported:
    began = moment(row.required("startTime"), row.where, "startTime")
    ended, first = row.value("endTime"), row.value("completionStartTime")
    request_id, metadata = str(row.required("request_id")), row.table("metadata")
    provider, model = _names(row)
    messages, response = row.value("messages"), row.value("response")
    failed = row.text("status") == "failure"
    error = string(at(metadata, "error_information", "error_class"))
    tags = row.value("request_tags")
    return Imported(
        source=NAME,
        source_id=request_id,
        started_at=began,
        place=placed(provider, model, _OPERATIONS.get(row.text("call_type") or "", row.text("call_type") or "chat")),
        model=model,
        response_id=string(at(response, "id")) or (None if parse_uuid(request_id) else request_id),
        response_model=model,
        usage=None if failed else _usage(row, metadata),
        usage_raw=metadata.get("usage_object"),
        request=orjson.dumps({"model": model, "messages": messages})
        if isinstance(messages, list) and messages
        else b"",
        response=orjson.dumps(response) if isinstance(response, dict) and response else b"",
        status=_status(metadata) if failed else 200,
        error_type=error if failed else None,
        duration_ms=milliseconds(began, moment(ended, row.where, "endTime") if ended else None),
        time_to_first_token_ms=_first_token(row, began, first),
        user_id=row.text("end_user") or row.text("user"),
        session_id=row.text("session_id"),
        properties=_properties(row, metadata, tags),
        stated_cost_usd=row.usd("spend"),
    )


def _names(row: Columns) -> tuple[str | None, str | None]:
    """(provider, model): `anthropic/claude-sonnet-4` names both."""
    provider, model = row.text("custom_llm_provider"), row.text("model")
    if model and "/" in model:
        prefix, _, rest = model.partition("/")
        if provider is None or prefix == provider:
            return prefix, rest
    return provider, model


def _usage(row: Columns, metadata: Mapping[str, Any]) -> Usage | None:
    total, output = row.count("prompt_tokens"), row.count("completion_tokens")
    if not total and not output:
        return None
    stated = metadata.get("usage_object") or metadata.get("additional_usage_values") or {}

    def part(*paths: tuple[str, ...]) -> int | None:
        found = (at(stated, *path) for path in paths)
        return next((count for count in found if isinstance(count, int) and not isinstance(count, bool)), None)

    return Usage(
        input_tokens=total,
        cache_read_input_tokens=part(("cache_read_input_tokens",), ("prompt_tokens_details", "cached_tokens")),
        cache_creation_input_tokens=part(("cache_creation_input_tokens",)),
        output_tokens=output,
        reasoning_output_tokens=part(("completion_tokens_details", "reasoning_tokens")),
    )


def _first_token(row: Columns, began: Any, first: Any) -> int | None:
    """LiteLLM states the end as the first token's time of an answer that did not stream."""
    if not first or first == row.value("endTime"):
        return None
    return milliseconds(began, moment(first, row.where, "completionStartTime"))


def _status(metadata: Mapping[str, Any]) -> int:
    code = str(at(metadata, "error_information", "error_code") or "")
    return int(code) if code.isdigit() and len(code) == 3 else 500


def _properties(row: Columns, metadata: Mapping[str, Any], tags: Any) -> dict[str, str]:
    named = {"team_id": row.text("team_id"), "key": string(metadata.get("user_api_key_alias"))}
    listed = {"tags": ",".join(map(str, tags))} if isinstance(tags, list) and tags else {}
    return texts({name: value for name, value in named.items() if value} | listed)


SOURCE: Final = Source(NAME, "LiteLLM's spend logs (columns of LiteLLM_SpendLogs)", fits, read)
