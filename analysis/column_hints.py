"""What to add to DuckDB's message about a column or table that does not exist: the words of other tools, and what they are here."""

import re
from typing import Final

from addon.storage.lake import duckdb_columns
from addon.storage.record import TABLES

UNKNOWN_COLUMN: Final = re.compile(r'(?:Referenced column|have a column named) "([^"]+)"')
_TOKENS: Final = "input_tokens, output_tokens"
_TIME: Final = "started_at"
# Words of Helicone, OpenAI and the reports' own options, and the columns that say it.
MEANT: Final = {
    "model": "request_model, response_model",
    "model_name": "request_model, response_model",
    "provider": "provider_name",
    "cost": "cost_usd",
    "price": "cost_usd",
    "costs": "cost_usd",
    "latency": "duration_ms",
    "latency_ms": "duration_ms",
    "delay_ms": "duration_ms",
    "duration": "duration_ms",
    "ttft": "time_to_first_token_ms",
    "time_to_first_token": "time_to_first_token_ms",
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "tokens": _TOKENS,
    "total_tokens": _TOKENS,
    "cached_tokens": "cache_read_input_tokens",
    "created_at": _TIME,
    "request_created_at": _TIME,
    "timestamp": _TIME,
    "time": _TIME,
    "ts": _TIME,
    "day": "date",
    "id": "request_id",
    "user": "user_id",
    "session": "session_id",
    "error": "error_type",
    "cache": "cache_status",
    "prompt": "request_body of the view bodies",
    "request": "request_body of the view bodies",
    "response": "response_text of the view bodies",
    "property": "properties['name']",
}
_COLUMNS: Final = sorted(
    {name for table in TABLES for name in duckdb_columns(table)} | {"cost_usd", "saved_usd", "date"}
)


def with_hint(message: str) -> str:
    """DuckDB's message; after it the columns that a wrong name may mean."""
    found = UNKNOWN_COLUMN.search(message)
    meant = _columns(found[1].lower()) if found else None
    return f'{message}\n\n"{found[1]}" is here: {meant}' if found and meant else message


def _columns(name: str) -> str | None:
    if name in MEANT:
        return MEANT[name]
    from difflib import get_close_matches  # 3 ms at each start, for a mistake

    near = get_close_matches(name, [*_COLUMNS, *MEANT], n=1, cutoff=0.75)
    return MEANT.get(near[0], near[0]) if near else None
