"""Which calls the reports of bodies look at (analysis/reports/prepared.py), as SQL over the views. Python reads what was said in
them on this machine, so they come here, as they would out of a folder.
"""

from collections.abc import Mapping
from typing import Final

from addon.storage.lake import duckdb_columns
from analysis.quoting import quoted
from analysis.reports.prompt_cache import MOST_CALLS
from analysis.reports.report import load_internal
from analysis.reports.tools import CALLS


def _columns(table: str) -> str:
    return ", ".join([*map(quoted, duckdb_columns(table)), "date"])


_TOOLS: Final = f"""
select {{columns}} from calls where error_type is null order by started_at desc limit {CALLS}"""
_PROMPT_CACHE: Final = f"""
with worst as (
    {load_internal("prompt_cache_sessions").sql}
)
select {{columns}} from calls where session_id in (select session_id from worst)"""
_NEWEST: Final = (
    f"{_PROMPT_CACHE} qualify row_number() over (partition by session_id order by started_at desc) <= {MOST_CALLS}"
)


def _bodies_of(calls: str) -> str:
    return f"select {_columns('bodies')} from bodies where request_id in ({calls.format(columns='request_id')})"


CALLS_OF: Final[Mapping[str, str]] = {
    "tools": _TOOLS.format(columns=_columns("requests")),
    "prompt-cache": _PROMPT_CACHE.format(columns=_columns("requests")),
}
BODIES_OF: Final[Mapping[str, str]] = {"tools": _bodies_of(_TOOLS), "prompt-cache": _bodies_of(_NEWEST)}
