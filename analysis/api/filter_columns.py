"""What Helicone's filters may name, and what each name means over our views.

A column of Helicone's that we have nothing for is NULL: it equals nothing. A name that is not here is an error.
Source of the names: Helicone's packages/filters/filterDefs.ts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from addon.config import controls


class Kind(StrEnum):
    """What a column holds. It decides the operators and the values that a filter may use."""

    TEXT = "text"
    NUMBER = "number"
    SCORE = "score"  # a number; a boolean counts 1 or 0, and Helicone's own types make it a text
    BOOLEAN = "boolean"
    TIME = "time"
    KEY = "key"  # is this key set?


@dataclass(frozen=True, slots=True)
class Column:
    """`sql` is an expression over `requests` (or what `inside` puts around); `{key}` in either is the bound key."""

    kind: Kind
    sql: str
    inside: str = "{}"  # where the comparison stands
    is_keyed: bool = False  # {column: {key: {operator: value}}}
    fold: Callable[[str], str] | None = None  # what values go through, where case makes no difference


Columns = Mapping[str, Column]
Table = Columns | Column  # a single column: {table: {key: {operator: value}}}
Tables = Mapping[str, Table]

_UNKNOWN_TEXT: Final = Column(Kind.TEXT, "cast(null as varchar)")
_NEVER: Final = Column(Kind.BOOLEAN, "false")

# Bodies and notes are asked only where a filter names them: bodies are wide, and most folders have no notes.
_IN_BODIES: Final = "exists (from bodies where bodies.request_id = requests.request_id and bodies.started_at = requests.started_at and {})"
_IN_FEEDBACK: Final = "request_id in (select request_id from feedback where {})"
_IN_SCORES: Final = "request_id in (select request_id from scores where {})"

# Helicone keeps these as properties, we as columns.
PROPERTY_COLUMNS: Final[Mapping[str, str]] = {
    controls.SESSION_ID: "session_id",
    controls.SESSION_NAME: "session_name",
    controls.SESSION_PATH: "session_path",
    controls.PROMPT_ID: "prompt_id",
    controls.USER_ID: "user_id",
}
PROPERTY: Final = Column(Kind.TEXT, "properties[{key}]", is_keyed=True)

# Our names for providers are Helicone's in upper case, but for these.
HELICONE_PROVIDERS: Final[Mapping[str, str]] = {
    "gemini": "GOOGLE",
    "vertex": "GOOGLE",
    "bedrock": "AWS",
    "xai": "X",
    "ollama": "LOCAL",
    "vllm": "LOCAL",
    "lmstudio": "LOCAL",
    "llamacpp": "LOCAL",
}
PROVIDER_SQL: Final = (
    "case provider_name "
    + " ".join(f"when '{ours}' then '{theirs}'" for ours, theirs in HELICONE_PROVIDERS.items())
    + " else upper(provider_name) end"
)

_MODEL: Final = Column(Kind.TEXT, "coalesce(response_model, request_model)")
# What is known of the two; NULL where neither is.
TOTAL_TOKENS_SQL: Final = "coalesce(input_tokens + output_tokens, input_tokens, output_tokens)"
_RATING: Final = Column(Kind.BOOLEAN, "rating", _IN_FEEDBACK)

_REQUEST_RESPONSE_RMT: Final[Columns] = {
    "country_code": _UNKNOWN_TEXT,
    "latency": Column(Kind.NUMBER, "duration_ms"),
    "cost": Column(Kind.NUMBER, "cost_usd"),
    "provider": Column(Kind.TEXT, PROVIDER_SQL, fold=str.upper),
    "time_to_first_token": Column(Kind.NUMBER, "time_to_first_token_ms"),
    "status": Column(Kind.NUMBER, "status"),
    "request_created_at": Column(Kind.TIME, "started_at"),
    "response_created_at": Column(Kind.TIME, "started_at + to_milliseconds(duration_ms)"),
    "model": _MODEL,
    "user_id": Column(Kind.TEXT, "user_id"),
    "organization_id": _UNKNOWN_TEXT,
    "node_id": _UNKNOWN_TEXT,
    "job_id": _UNKNOWN_TEXT,
    "threat": _NEVER,
    "request_id": Column(Kind.TEXT, "request_id", fold=str.lower),
    "prompt_tokens": Column(Kind.NUMBER, "input_tokens"),
    "completion_tokens": Column(Kind.NUMBER, "output_tokens"),
    "prompt_cache_read_tokens": Column(Kind.NUMBER, "cache_read_input_tokens"),
    "prompt_cache_write_tokens": Column(Kind.NUMBER, "cache_creation_input_tokens"),
    "total_tokens": Column(Kind.NUMBER, TOTAL_TOKENS_SQL),
    "target_url": Column(Kind.TEXT, "'https://' || host || path"),
    "property_key": Column(Kind.KEY, "properties", fold=str.lower),
    "properties": PROPERTY,
    "search_properties": PROPERTY,
    "scores": Column(Kind.SCORE, "value", _IN_SCORES.replace("{}", "name = {key} and {}"), is_keyed=True),
    "scores_column": Column(Kind.TEXT, "name", _IN_SCORES),
    "helicone-score-feedback": _RATING,
    "request_body": Column(Kind.TEXT, "request_body", _IN_BODIES),
    "response_body": Column(Kind.TEXT, "response_body", _IN_BODIES),
    "cache_enabled": Column(Kind.BOOLEAN, "cache_status is not null"),
    "cache_reference_id": Column(Kind.TEXT, "cache_reference_id", fold=str.lower),
    "cached": Column(Kind.BOOLEAN, "coalesce(cache_status in ('hit', 'coalesced'), false)"),
    "assets": _UNKNOWN_TEXT,
    "prompt_id": Column(Kind.TEXT, "prompt_id"),
    "prompt_version": _UNKNOWN_TEXT,
    "request_referrer": _UNKNOWN_TEXT,
    "is_passthrough_billing": _NEVER,
}
_SESSION_RMT: Final[Columns] = {
    **_REQUEST_RESPONSE_RMT,
    "session_id": Column(Kind.TEXT, "session_id"),
    "session_name": Column(Kind.TEXT, "session_name"),
}
_REQUEST: Final[Columns] = {
    "prompt": Column(Kind.TEXT, "request_body", _IN_BODIES),
    "created_at": Column(Kind.TIME, "started_at"),
    "user_id": Column(Kind.TEXT, "user_id"),
    "auth_hash": Column(Kind.TEXT, "helicone_key_hash"),
    "org_id": _UNKNOWN_TEXT,
    "id": Column(Kind.TEXT, "request_id", fold=str.lower),
    "node_id": _UNKNOWN_TEXT,
    "model": Column(Kind.TEXT, "request_model"),
    "modelOverride": _UNKNOWN_TEXT,
    "path": Column(Kind.TEXT, "path"),
    "country_code": _UNKNOWN_TEXT,
    "prompt_id": Column(Kind.TEXT, "prompt_id"),
}
_RESPONSE: Final[Columns] = {
    "body_tokens": _REQUEST_RESPONSE_RMT["total_tokens"],
    "body_model": _MODEL,
    "body_completion": Column(Kind.TEXT, "response_text", _IN_BODIES),
    "status": Column(Kind.NUMBER, "status"),
    "model": Column(Kind.TEXT, "response_model"),
}
_FEEDBACK: Final[Columns] = {
    "created_at": Column(Kind.TIME, "created_at", _IN_FEEDBACK),
    "rating": _RATING,
}

CALL_TABLES: Final[Tables] = {
    "request_response_rmt": _REQUEST_RESPONSE_RMT,
    "session_rmt": _SESSION_RMT,
    "request": _REQUEST,
    "response": _RESPONSE,
    "feedback": _FEEDBACK,
    "properties": PROPERTY,
    "values": replace(_UNKNOWN_TEXT, is_keyed=True),  # inputs of prompts, which we do not keep
}

# Over what a question has gathered of each session or user, not over calls.
_SESSION: Final[Columns] = {
    "session_session_id": Column(Kind.TEXT, "session_id"),
    "session_session_name": Column(Kind.TEXT, "session_name"),
    "session_total_cost": Column(Kind.NUMBER, "total_cost"),
    "session_total_tokens": Column(Kind.NUMBER, "total_tokens"),
    "session_prompt_tokens": Column(Kind.NUMBER, "prompt_tokens"),
    "session_completion_tokens": Column(Kind.NUMBER, "completion_tokens"),
    "session_total_requests": Column(Kind.NUMBER, "total_requests"),
    "session_created_at": Column(Kind.TIME, "created_at"),
    "session_latest_request_created_at": Column(Kind.TIME, "latest_request_created_at"),
}
_USER: Final[Columns] = {
    "user_user_id": Column(Kind.TEXT, "user_id"),
    "user_active_for": Column(Kind.NUMBER, "active_for"),
    "user_first_active": Column(Kind.TIME, "first_active"),
    "user_last_active": Column(Kind.TIME, "last_active"),
    "user_total_requests": Column(Kind.NUMBER, "total_requests"),
    "user_average_requests_per_day_active": Column(Kind.NUMBER, "average_requests_per_day_active"),
    "user_average_tokens_per_request": Column(Kind.NUMBER, "average_tokens_per_request"),
    "user_total_completion_tokens": Column(Kind.NUMBER, "total_completion_tokens"),
    "user_total_prompt_tokens": Column(Kind.NUMBER, "total_prompt_tokens"),
    "user_cost": Column(Kind.NUMBER, "cost"),
}
SESSION_TABLES: Final[Tables] = {"sessions_request_response_rmt": _SESSION, "sessions": _SESSION}
USER_TABLES: Final[Tables] = {
    "users_view": _USER,
    "user_metrics": {name.removeprefix("user_"): column for name, column in _USER.items()},  # without the prefix
}
