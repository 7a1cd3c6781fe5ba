"""A call in Helicone's words: what `HeliconeRequest` in its API is. Pure.

What we do not know is null. Money is USD, `delay_ms` and `time_to_first_token` are milliseconds, `prompt_tokens` has the
cached ones in it as our `input_tokens`, `provider` is Helicone's upper-case name. Bodies stand in the answer itself
(JSON as it came, a stream's events as text); there is no `signed_body_url` to fetch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from addon.config import controls
from analysis.api.filter_columns import HELICONE_PROVIDERS
from analysis.api.openapi import ANY, BOOLEAN, INTEGER, NUMBER, TEXT, TIME, Schema, list_of, nullable, record

_SESSION_PROPERTIES: Final[Mapping[str, str]] = {  # Helicone has these among the properties, spelled so
    controls.SESSION_ID.title(): "session_id",
    controls.SESSION_PATH.title(): "session_path",
    controls.SESSION_NAME.title(): "session_name",
}
_PROPERTIES: Final[Schema] = {"type": "object", "additionalProperties": TEXT}
_COUNT: Final = nullable(INTEGER)
_TEXT: Final = nullable(TEXT)
SCHEMA: Final = record(
    request_id=TEXT,
    response_id=_TEXT,
    request_created_at=TIME,
    response_created_at=nullable(TIME),
    request_body=ANY,
    response_body=ANY,
    response_status=_COUNT,
    request_model=_TEXT,
    response_model=_TEXT,
    model=_TEXT,
    model_override=_TEXT,
    provider=TEXT,
    target_url=TEXT,
    request_path=TEXT,
    request_user_id=_TEXT,
    helicone_user=_TEXT,
    request_properties=_PROPERTIES,
    properties=_PROPERTIES,
    delay_ms=_COUNT,
    time_to_first_token=_COUNT,
    total_tokens=_COUNT,
    prompt_tokens=_COUNT,
    prompt_cache_read_tokens=_COUNT,
    prompt_cache_write_tokens=_COUNT,
    completion_tokens=_COUNT,
    reasoning_tokens=_COUNT,
    prompt_audio_tokens=_COUNT,
    completion_audio_tokens=_COUNT,
    cost=nullable(NUMBER),
    costUSD=nullable(NUMBER),
    cache_enabled=BOOLEAN,
    cache_reference_id=_TEXT,
    prompt_id=_TEXT,
    prompt_version=_TEXT,
    feedback_id=_TEXT,
    feedback_rating=nullable(BOOLEAN),
    feedback_created_at=nullable(TIME),
    scores={"type": "object", "additionalProperties": NUMBER},
    signed_body_url=_TEXT,
    llmSchema=ANY,
    country_code=_TEXT,
    asset_ids=list_of(TEXT),
    asset_urls={"type": "object"},
    assets=list_of(TEXT),
    updated_at=nullable(TIME),
    request_referrer=_TEXT,
    ai_gateway_body_mapping=_TEXT,
    storage_location=_TEXT,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """What was said of a call afterwards."""

    rating: bool | None = None
    rated_at: datetime | None = None
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bodies:
    """What was said in a call, as it is kept."""

    request: str | None = None
    response: str | None = None


def helicone_request(call: Mapping[str, Any], notes: Notes, bodies: Bodies) -> dict[str, Any]:
    """`call`: a row of requests.sql."""
    properties = dict(call["properties"] or {})
    properties |= {name: call[column] for name, column in _SESSION_PROPERTIES.items() if call[column] is not None}
    started_at: datetime = call["started_at"]
    took_ms: int | None = call["duration_ms"]
    return {
        "request_id": call["request_id"],
        "response_id": call["response_id"],
        "request_created_at": iso(started_at),
        "response_created_at": None if took_ms is None else iso(started_at + timedelta(milliseconds=took_ms)),
        "request_body": _body(bodies.request),
        "response_body": _body(bodies.response),
        "response_status": call["status"],
        "request_model": call["request_model"],
        "response_model": call["response_model"],
        "model": call["response_model"] or call["request_model"],
        "model_override": None,
        "provider": helicone_provider(call["provider_name"]),
        "target_url": f"https://{call['host']}{call['path']}",
        "request_path": call["path"],
        "request_user_id": call["user_id"],
        "helicone_user": None,
        "request_properties": properties,
        "properties": properties,
        "delay_ms": took_ms,
        "time_to_first_token": call["time_to_first_token_ms"],
        "total_tokens": total_tokens(call["input_tokens"], call["output_tokens"]),
        "prompt_tokens": call["input_tokens"],
        "prompt_cache_read_tokens": call["cache_read_input_tokens"],
        "prompt_cache_write_tokens": call["cache_creation_input_tokens"],
        "completion_tokens": call["output_tokens"],
        "reasoning_tokens": call["reasoning_output_tokens"],
        "prompt_audio_tokens": None,
        "completion_audio_tokens": None,
        "cost": call["cost_usd"],
        "costUSD": call["cost_usd"],
        "cache_enabled": call["cache_status"] is not None,
        "cache_reference_id": call["cache_reference_id"],
        "prompt_id": call["prompt_id"],
        "prompt_version": None,
        "feedback_id": None,
        "feedback_rating": notes.rating,
        "feedback_created_at": iso(notes.rated_at) if notes.rated_at else None,
        "scores": dict(notes.scores),
        "signed_body_url": None,
        "llmSchema": None,
        "country_code": None,
        "asset_ids": [],
        "asset_urls": {},
        "assets": [],
        "updated_at": None,
        "request_referrer": None,
        "ai_gateway_body_mapping": None,
        "storage_location": None,
    }


def helicone_provider(name: str) -> str:
    """Helicone's name of a provider; one that is named after its host stays so."""
    return HELICONE_PROVIDERS.get(name) or (name if "." in name or ":" in name else name.upper())


def total_tokens(input_tokens: int | None, output_tokens: int | None) -> int | None:
    """What is known of both together."""
    known = [count for count in (input_tokens, output_tokens) if count is not None]
    return sum(known) if known else None


def iso(moment: datetime) -> str:
    """A naive time in UTC as JavaScript writes it, with our microseconds."""
    return moment.isoformat(timespec="microseconds") + "Z"


def _body(text: str | None) -> object:
    """JSON goes out as it is kept, to the last digit; anything else is a text."""
    if text is None:
        return None
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return orjson.Fragment(text)
