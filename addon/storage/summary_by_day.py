"""The two summaries by the day: of sessions, and of times. They are made of the finer ones (summary.py), not of the calls.

That of sessions has a row for each user and session of a file, with what reports on users and sessions ask. That of times is
the one by the hour, for whole days: it has a seventh of the rows. A day that a window cuts through is asked of the finer ones.
"""

from datetime import timedelta
from typing import Final

from addon.storage.summary import FIRST_ATTEMPT, TIMED, TIMES_GROUPS, begin_of

DAY: Final = timedelta(days=1)
SESSIONS_GROUPS: Final = ("user_id", "session_id", "session_name")
# Calls that a provider answered, and whose input is known: only these can have read its cache.
_IS_PROMPT: Final = "input_tokens is not null and coalesce(cache_status, 'miss') in ('miss', 'unavailable')"
_SUMS: Final = (
    ("call_count", "call_count"),
    ("error_count", "if(error_type is null, 0, call_count)"),
    ("unpriced_count", "if(cost_nanousd is null, call_count, 0)"),
    ("input_tokens", "input_tokens"),
    ("output_tokens", "output_tokens"),
    ("cost_nanousd", "cost_nanousd"),
    ("prompt_count", f"if({_IS_PROMPT}, call_count, 0)"),
    ("prompt_tokens", f"if({_IS_PROMPT}, input_tokens, null)"),
    ("prompt_read_tokens", f"if({_IS_PROMPT}, cache_read_input_tokens, null)"),
)
_MOMENTS: Final = (("first_started_at", "min"), ("last_started_at", "max"), ("last_ended_ms", "max"))
_NUMBERS: Final = (*(name for name, _ in _SUMS), *(name for name, _ in _MOMENTS))
SESSIONS_COLUMNS: Final = ("started_at", *SESSIONS_GROUPS, *_NUMBERS)


def of_summaries(table: str, times: str = "date, started_at") -> str:
    """SQL: each row of a table like the summary as one of that of sessions. `times`: what it says of when, NULL of all others."""
    sums = ", ".join(f"{of_one} as {name}" for name, of_one in _SUMS)
    moments = ", ".join(name for name, _ in _MOMENTS)
    return f"select {times}, {', '.join(SESSIONS_GROUPS)}, {sums}, {moments} from {table}"


def sessions(table: str) -> str:
    """SQL: the summary of sessions of a table like the summary of a file."""
    day, groups = begin_of(DAY), ", ".join(SESSIONS_GROUPS)
    sums = ", ".join(f"cast(sum({name}) as bigint) as {name}" for name, _ in _SUMS)
    moments = ", ".join(f"{function}({name}) as {name}" for name, function in _MOMENTS)
    return (
        f"select {day} as started_at, {groups}, {sums}, {moments} from ({of_summaries(table, 'started_at')})"
        f" group by {day}, {groups} order by {groups}"
    )


def times(table: str) -> str:
    """SQL: the summary of times by the day of a table like that by the hour."""
    day, keys = begin_of(DAY), ", ".join((*TIMES_GROUPS, FIRST_ATTEMPT, *(name for name, _ in TIMED)))
    return (
        f"select {day} as started_at, {keys}, cast(sum(timed_count) as bigint) as timed_count from {table}"
        f" group by {day}, {keys} order by {', '.join(TIMES_GROUPS)}, timed_ms is null, timed_ms, timed_first_token_ms"
    )
