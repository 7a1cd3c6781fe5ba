"""Langfuse's export of observations: from the UI (CSV, JSON, JSONL; the download of one trace), the API or the blob storage.

Of each observation of the type GENERATION (or EMBEDDING): id, start_time, end_time, completion_start_time, provided_model_name (or
model), usage_details, total_cost, level, status_message, input, output, user_id, session_id, trace_name, name, tags, environment.
The API and the UI write the names in camel case, the blob storage in snake case; both are read. In `usage_details` each key is a
part of its own: `input` does not include `input_cached_tokens`. Other observations (spans, events) are steps, and have no cost.

Source: https://langfuse.com/docs/api-and-data-platform/features/blob-storage-export-fields,
https://langfuse.com/docs/api-and-data-platform/features/export-from-ui,
https://langfuse.com/docs/observability/features/token-and-cost-tracking.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from addon.intake.importing.columns import Columns, amount, placed, texts
from addon.intake.importing.files import Record, records
from addon.intake.importing.model import HistoryError, Imported, Source, milliseconds, moment
from addon.providers.model import Usage

NAME: Final = "langfuse"
_CAPITAL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_CALLS: Final = frozenset({"GENERATION", "EMBEDDING"})
_READ: Final = ("input_cached_tokens", "cache_read_input_tokens", "input_cache_read", "cached_tokens", "input_cached")
_WRITTEN: Final = ("cache_creation_input_tokens", "input_cache_creation", "input_cache_write")
_REASONED: Final = ("output_reasoning_tokens", "reasoning_tokens", "output_reasoning")


def fits(record: Mapping[str, Any]) -> bool:
    named = _snake(record)
    return {"id", "type", "start_time", "trace_id"} <= named.keys() or (
        {"id", "type", "start_time"} <= named.keys()
        and bool({"usage_details", "usage", "provided_model_name"} & named.keys())
    )


def read(path: Path) -> Iterator[Imported]:
    for where, fields in records(path):
        row = Columns(Record(where, _snake(fields)))
        if str(row.required("type")).upper() in _CALLS:
            yield _call(row)


def _snake(record: Mapping[str, Any]) -> dict[str, Any]:
    return {_CAPITAL.sub("_", name).lower(): value for name, value in record.items()}


def _call(row: Columns) -> Imported:
    began = moment(row.required("start_time"), row.where, "start_time")
    ended, first = row.value("end_time"), row.value("completion_start_time")
    model, tags = row.text("provided_model_name", "model"), row.value("tags", "trace_tags")
    usage = row.table("usage_details", "usage")
    failed = row.text("level") == "ERROR"
    operation = "embeddings" if str(row.value("type")).upper() == "EMBEDDING" else "chat"
    asked, said = row.value("input"), row.value("output")
    return Imported(
        source=NAME,
        source_id=str(row.required("id")),
        started_at=began,
        place=placed(None, model, operation),
        model=model,
        response_model=model,
        usage=None if failed and not usage else _usage(row, usage),
        usage_raw=usage or None,
        request=orjson.dumps(asked) if asked is not None else b"",
        response=orjson.dumps(said) if said is not None else b"",
        status=500 if failed else 200,
        error_type=(row.text("status_message") or "error")[:100] if failed else None,
        duration_ms=milliseconds(began, moment(ended, row.where, "end_time") if ended else None),
        time_to_first_token_ms=milliseconds(began, moment(first, row.where, "completion_start_time"))
        if first
        else None,
        user_id=row.text("user_id"),
        session_id=row.text("session_id") or row.text("trace_id"),
        session_name=row.text("trace_name"),
        properties=texts(
            {
                "name": row.text("name") or "",
                "environment": row.text("environment") or "",
                "tags": ",".join(map(str, tags)) if isinstance(tags, list) else "",
            }
        ),
        stated_cost_usd=row.usd("total_cost", "calculated_total_cost"),
    )


def _usage(row: Columns, details: Mapping[str, Any]) -> Usage | None:
    counts: dict[str, int] = {}
    for name, value in details.items():
        if name in ("unit",) or value is None:
            continue
        number = amount(value)
        if number is None or number < 0 or number != int(number):
            raise HistoryError(f"{row.where}: usage_details.{name} must be a number of tokens, not {str(value)[:60]!r}")
        counts[name] = int(number)
    if not any(counts.values()):
        return None

    def total(names: tuple[str, ...]) -> int | None:
        found = [counts[name] for name in names if name in counts]
        return sum(found) if found else None

    inputs = [value for name, value in counts.items() if name.startswith("input") or name in (*_READ, *_WRITTEN)]
    outputs = [value for name, value in counts.items() if name.startswith("output") or name in _REASONED]
    return Usage(
        input_tokens=sum(inputs) if inputs else None,
        cache_read_input_tokens=total(_READ),
        cache_creation_input_tokens=total(_WRITTEN),
        output_tokens=sum(outputs) if outputs else None,
        reasoning_output_tokens=total(_REASONED),
    )


SOURCE: Final = Source(NAME, "Langfuse's export of observations", fits, read)
