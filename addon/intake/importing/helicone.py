"""Helicone's export of requests: `npx @helicone/export` (JSONL, JSON, CSV), or answers of `POST /v1/request/query-clickhouse`.

Columns that are read: request_id, request_created_at, response_created_at, response_status, provider, target_url, request_path,
request_model, response_model, response_id, delay_ms, time_to_first_token, prompt_tokens, prompt_cache_read_tokens,
prompt_cache_write_tokens, completion_tokens, reasoning_tokens, costUSD, request_user_id, request_properties, cache_reference_id,
and with `--include-body` request_body and response_body, from which usage is read as from every logged call. Without bodies
`prompt_tokens` of Anthropic do not include what was cached, those of others do.

Source: https://docs.helicone.ai/tools/export, https://github.com/Helicone/helicone, examples/export/typescript and the type
HeliconeRequest.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import orjson

from addon.ids import parse_uuid
from addon.intake.importing.columns import Columns, placed, texts
from addon.intake.importing.files import records
from addon.intake.importing.model import HistoryError, Imported, Source, milliseconds, moment
from addon.intake.log_answers import JSON_TYPE, STREAM_TYPE, bodies, streamed_answer, text_answer
from addon.intake.log_format import BROKEN
from addon.intake.placing import Place, Shape, place_of_log, provider_named, reader_of, shape_of
from addon.metering.reading import read_answer
from addon.metering.terminal import answer_framing
from addon.providers.fields import at, string
from addon.providers.model import Reading, Usage

NAME: Final = "helicone"
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"  # cache_reference_id of a call that was no hit
_SESSION: Final = ("helicone-session-id", "helicone-session-path", "helicone-session-name")  # they come as properties


def fits(record: Mapping[str, Any]) -> bool:
    return {"request_id", "request_created_at"} <= record.keys() and bool(
        {"response_status", "provider"} & record.keys()
    )


def read(path: Path) -> Iterator[Imported]:
    for record in records(path):
        row = Columns(record)
        if (row.text("cache_reference_id") or _NOBODY) != _NOBODY:
            continue  # answered from Helicone's cache: the provider was not asked
        yield _call(row)


def _call(row: Columns) -> Imported:
    request_id = parse_uuid(str(row.required("request_id")))
    if request_id is None:
        raise HistoryError(f"{row.where}: request_id must be a UUID, not {str(row.value('request_id'))[:60]!r}")
    began = moment(row.required("request_created_at"), row.where, "request_created_at")
    asked = row.value("request_body")
    answer, answer_type = _answer(row.value("response_body"))
    said = bodies(answer, answer_type)
    model = row.text("request_model", "model") or string(at(asked, "model"))
    provider = row.text("provider")
    shape = shape_of(asked, said, provider_named(provider))
    place = place_of_log(row.text("target_url") or "", provider, None, shape, model)
    if not place.path:
        place = placed(provider, model)
    status = row.status("response_status")
    properties = texts(row.table("request_properties", "properties"))
    session_id, session_path, session_name = (properties.pop(name, None) for name in _SESSION)
    made = Imported(
        source=NAME,
        source_id=request_id,
        request_id=request_id,
        started_at=began,
        place=place,
        model=model,
        response_id=row.text("response_id"),
        response_model=row.text("response_model", "model"),
        request=orjson.dumps(asked) if asked not in (None, {}) else b"",
        response=answer,
        response_type=answer_type,
        status=status,
        error_type=BROKEN.get(status),
        duration_ms=_duration_ms(row, began),
        time_to_first_token_ms=row.count("time_to_first_token") or None,
        user_id=row.text("request_user_id"),
        properties=properties,
        stated_cost_usd=row.usd("costUSD", "cost"),
        session_id=session_id,
        session_path=session_path,
        session_name=session_name,
    )
    return _with_usage(made, row, place, shape)


def _duration_ms(row: Columns, began: datetime) -> int | None:
    if (stated := row.count("delay_ms")) is not None:
        return stated
    ended = row.value("response_created_at")
    return milliseconds(began, moment(ended, row.where, "response_created_at")) if ended else None


def _answer(body: Any) -> tuple[bytes, str]:
    if body in (None, {}, ""):
        return b"", JSON_TYPE
    if isinstance(pieces := at(body, "streamed_data"), list):
        return streamed_answer(pieces), STREAM_TYPE
    return text_answer(body) if isinstance(body, str) else (orjson.dumps(body), JSON_TYPE)


def _with_usage(made: Imported, row: Columns, place: Place, shape: Shape | None) -> Imported:
    """What the answer says of itself, where there is one that can be read; else what Helicone counted."""
    reader = place.operation or reader_of(shape)
    reading = Reading()
    if reader and made.response:
        reading = read_answer(reader, made.response, answer_framing(reader, made.response_type))
    if not (reading.usage or reading.error_type):
        return replace(made, usage=_counted(row, place.provider_name))
    if place.operation:
        return replace(made, is_read=True)
    return replace(
        made,
        usage=reading.usage,
        usage_raw=reading.usage_raw,
        response_model=reading.response_model,
        response_id=reading.response_id,
        finish_reasons=reading.finish_reasons,
    )


def _counted(row: Columns, provider: str) -> Usage | None:
    prompt, output = row.count("prompt_tokens"), row.count("completion_tokens")
    cached, written = row.count("prompt_cache_read_tokens"), row.count("prompt_cache_write_tokens")
    if not any((prompt, output, cached, written)):
        return None
    beside = (cached or 0) + (written or 0) if provider == "anthropic" else 0
    return Usage(
        input_tokens=None if prompt is None else prompt + beside,
        cache_read_input_tokens=cached,
        cache_creation_input_tokens=written,
        output_tokens=output,
        reasoning_output_tokens=row.count("reasoning_tokens"),
    )


SOURCE: Final = Source(NAME, "Helicone's export of requests (npx @helicone/export)", fits, read)
