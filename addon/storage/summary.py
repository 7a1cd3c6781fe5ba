"""What a summary is: the calls of one merged file, those put together that are alike in all that reports group by.

One row stands for the calls of a quarter of an hour that have the same values in GROUPS and of which the same numbers are
known; SUMS are their sums. So every sum, count and NULL test gives what it gives over the calls themselves. A summary belongs to
the file whose name it has: it counts while that file does, and says nothing once the file was replaced. It can be deleted at any
time. A quarter of an hour is the step of all time zones.

Beside it are six smaller ones. That of hits has the calls that the cache answered, each for itself, with how long the call took
whose answer was given again; that of retried calls those that took more than one attempt, each for itself. Two are by the day
(summary_by_day.py), the others by the hour. The brief one has few groups: what the lines under a report need, and sums over the
calls whose speed is measured. The one of times says how often each duration and each time to the first token occurs, by model,
so that percentiles need not read the calls: times from 200 ms on are rounded there, by less than 1 %.
"""

from datetime import date, timedelta
from pathlib import Path
from typing import Final

from addon.storage.folders import Folders, entries, parse_day
from addon.storage.lake import is_whole

VERSION: Final = 6  # of the columns below; summaries of other versions are not read
STEP: Final = timedelta(minutes=15)
HOUR: Final = timedelta(hours=1)
_FOLDER: Final = "summaries-"
# How the names of its files end: that of the summary, as the name of the calls' file, and those of the smaller ones.
WHOLE: Final = ".parquet"
BRIEF, TIMES, HITS, RETRIED, SESSIONS, DAY_TIMES = _SMALLER = (
    ".brief",
    ".times",
    ".hits",
    ".retried",
    ".sessions",
    ".daytimes",
)
# Left out are ids, the usage object, and what differs from one call of a session to the next.
GROUPS: Final = (
    "provider_name",
    "operation_name",
    "request_model",
    "response_model",
    "method",
    "host",
    "path",
    "mode",
    "status",
    "error_type",
    "is_stream",
    "usage_source",
    "usage_quality",
    "cost_source",
    "cost_missing",
    "cache_status",
    "user_id",
    "session_id",
    "session_name",
    "agent",
    "properties",
    "prompt_id",
    "api_key_hash",
    "helicone_key_hash",
    "attempts",
    "fallback_index",
    "rate_limit_status",
    "client",
    "client_command",
    "client_cwd",
    "client_repository",
)
SUMS: Final = (
    "duration_ms",
    "input_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation_1h_input_tokens",
    "output_tokens",
    "reasoning_output_tokens",
    "cost_nanousd",
    "list_cost_nanousd",
    "saved_nanousd",
    "request_bytes",
    "response_bytes",
)
# What else a row says: as SQL of one call, and of several. `started_at` is the beginning of their quarter of an hour.
OTHERS: Final = (
    ("call_count", "1", "count(*)"),
    ("first_started_at", "started_at", "min(started_at)"),
    ("last_started_at", "started_at", "max(started_at)"),
    (
        "last_ended_ms",
        "epoch_ms(started_at) + coalesce(duration_ms, 0)",
        "max(epoch_ms(started_at) + coalesce(duration_ms, 0))",
    ),
    ("states_usage", "usage_raw is not null", "usage_raw is not null"),
)
# Of the rows of a file, the columns with few values first: they then take half of the bytes, and half of the time to read.
ORDER: Final = (
    "provider_name",
    "request_model",
    "response_model",
    "error_type",
    "status",
    "cache_status",
    "usage_source",
    "client",
    "user_id",
    "session_id",
    "started_at",
)
# What the hits of a row saved, out of a table with `original_ms` beside each call: how long the call took whose answer was given
# again. It is not known of every hit: that call may be stored later, or it was deleted. NULL in the rows of calls alone.
SAVED: Final = (
    ("saved_ms", "cast(sum(original_ms - duration_ms) as bigint)"),
    ("unfound_count", "nullif(count(cache_reference_id) filter (original_ms is null), 0)"),
)
COLUMNS: Final = ("started_at", *GROUPS, *SUMS, *(name for name, _, _ in OTHERS), *(name for name, _ in SAVED))

HITS_GROUPS: Final = (
    "provider_name",
    "operation_name",
    "request_model",
    "response_model",
    "cache_status",
    "user_id",
)
_OF_HITS: Final = ("started_at", *HITS_GROUPS, "cache_reference_id", "duration_ms", "saved_nanousd")
HITS_COLUMNS: Final = (*_OF_HITS, "original_ms")  # NULL: that call was not found
IS_HIT: Final = "cache_status in ('hit', 'coalesced') and cache_reference_id is not null"

# Calls that took more than one attempt are few, and what became of each is asked by anything.
RETRIED_COLUMNS: Final = ("started_at", *GROUPS, "duration_ms", "cost_nanousd", "failed_attempts")
IS_RETRIED: Final = "attempts > 1"

BRIEF_GROUPS: Final = (
    "provider_name",
    "operation_name",
    "request_model",
    "response_model",
    "status",
    "error_type",
    "usage_source",
    "cost_missing",
    "cache_status",
)
# Answers that a provider gave: errors are quick or time out, and cache hits say nothing of a model.
_IS_TIMED: Final = "error_type is null and (cache_status is null or cache_status in ('miss', 'unavailable'))"
_HAS_SPEED: Final = f"{_IS_TIMED} and output_tokens is not null and duration_ms > 0"
_HAS_STREAM_SPEED: Final = f"{_HAS_SPEED} and duration_ms > time_to_first_token_ms"
# Of one call, as SQL; the brief summary has their sums.
SPEEDS: Final = (
    ("timed_output_tokens", f"if({_IS_TIMED}, output_tokens, null)"),
    ("speed_tokens", f"if({_HAS_SPEED}, output_tokens, null)"),
    ("speed_ms", f"if({_HAS_SPEED}, duration_ms, null)"),
    ("stream_tokens", f"if({_HAS_STREAM_SPEED}, output_tokens, null)"),
    ("stream_ms", f"if({_HAS_STREAM_SPEED}, duration_ms - time_to_first_token_ms, null)"),
)
_BRIEF_SUMS: Final = ("input_tokens", "cache_read_input_tokens", "output_tokens", "cost_nanousd")
BRIEF_COLUMNS: Final = (
    "started_at",
    *BRIEF_GROUPS,
    *_BRIEF_SUMS,
    *(name for name, _ in SPEEDS),
    "call_count",
    "states_usage",
)
TIMES_GROUPS: Final = ("provider_name", "operation_name", "request_model", "response_model")
TIMED: Final = (("timed_ms", "duration_ms"), ("timed_first_token_ms", "time_to_first_token_ms"))
FIRST_ATTEMPT: Final = "is_first_attempt"  # whether no other was needed
_IS_FIRST: Final = "coalesce(attempts = 1, false)"  # as SQL of one call
TIMES_COLUMNS: Final = ("started_at", *TIMES_GROUPS, FIRST_ATTEMPT, *(name for name, _ in TIMED), "timed_count")
_EXACT_MS: Final = 200  # and more is rounded to steps of 1.5 %, then to whole ms: less than 1 % in all
_ROUNDED_BY: Final = 1.015


def of_calls(table: str) -> str:
    """SQL: each call of a table like `requests` as a row that stands for it alone."""
    others = [f"{of_one} as {name}" for name, of_one, _ in OTHERS]
    others += [f"cast(null as bigint) as {name}" for name, _ in SAVED]
    return f"select date, started_at, {', '.join((*GROUPS, *SUMS, *others))} from {table}"


def summarised(table: str) -> str:
    """SQL: the summary of a table like `requests`, with the column `original_ms`."""
    quarter = begin_of(STEP)
    sums = ", ".join(f"cast(sum({name}) as bigint) as {name}" for name in SUMS)
    known = ", ".join(f"{name} is null" for name in SUMS)
    several = [(name, of_several) for name, _, of_several in OTHERS]
    others = ", ".join(f"{of_several} as {name}" for name, of_several in (*several, *SAVED))
    groups = ", ".join(GROUPS)
    return (
        f"select {quarter} as started_at, {groups}, {sums}, {others} from {table}"
        f" group by {quarter}, {groups}, {known}, usage_raw is not null order by {', '.join(ORDER)}"
    )


def hits_of_calls(table: str) -> str:
    """SQL: the calls of a table like `requests` that the cache answered, as rows of the summary of hits."""
    return f"select date, {', '.join(_OF_HITS)}, cast(null as bigint) as original_ms from {table} where {IS_HIT}"


def hits(table: str) -> str:
    """SQL: the summary of hits of a table like `requests`, with the column `original_ms`."""
    return (
        f"select {', '.join(HITS_COLUMNS)} from {table} where {IS_HIT}"
        f" order by {', '.join(HITS_GROUPS)}, cache_reference_id, started_at"
    )


def retried_of_calls(table: str) -> str:
    """SQL: the calls of a table like `requests` that took several attempts, as rows of the summary of retried calls."""
    return f"select date, {', '.join(RETRIED_COLUMNS)} from {table} where {IS_RETRIED}"


def retried(table: str) -> str:
    """SQL: the summary of retried calls of a table like `requests`."""
    order = [name for name in ORDER if name in RETRIED_COLUMNS]
    return f"select {', '.join(RETRIED_COLUMNS)} from {table} where {IS_RETRIED} order by {', '.join(order)}"


def brief_of_calls(table: str) -> str:
    """SQL: each call of a table like `requests` as a row of the brief summary."""
    speeds = ", ".join(f"{of_one} as {name}" for name, of_one in SPEEDS)
    columns = ", ".join((*BRIEF_GROUPS, *_BRIEF_SUMS))
    return f"select date, started_at, {columns}, {speeds}, 1 as call_count, usage_raw is not null as states_usage from {table}"


def brief(table: str) -> str:
    """SQL: the brief summary of a table like `requests`."""
    hour, groups = begin_of(HOUR), ", ".join(BRIEF_GROUPS)
    sums = [f"cast(sum({name}) as bigint) as {name}" for name in _BRIEF_SUMS]
    sums += [f"cast(sum({of_one}) as bigint) as {name}" for name, of_one in SPEEDS]
    known = ", ".join(f"{name} is null" for name in _BRIEF_SUMS)
    return (
        f"select {hour} as started_at, {groups}, {', '.join(sums)}, count(*) as call_count, usage_raw is not null as states_usage"
        f" from {table} group by {hour}, {groups}, {known}, usage_raw is not null order by {groups}, started_at"
    )


def times_of_calls(table: str) -> str:
    """SQL: the times of each call of a table like `requests`, a row for each, rounded as those of a summary."""
    parts = []
    for name, column in TIMED:
        others = ", ".join(
            f"{_rounded(column) if other == name else 'cast(null as bigint)'} as {other}" for other, _ in TIMED
        )
        parts.append(
            f"select date, started_at, {', '.join(TIMES_GROUPS)}, {_IS_FIRST} as {FIRST_ATTEMPT}, {others}, 1 as timed_count from {table}"
            f" where {_IS_TIMED} and {column} is not null"
        )
    return " union all ".join(parts)


def times(table: str) -> str:
    """SQL: how often each time occurs in a table like `requests`."""
    hour, keys = begin_of(HOUR), ", ".join((*TIMES_GROUPS, FIRST_ATTEMPT, *(name for name, _ in TIMED)))
    return (
        f"select {hour} as started_at, {keys}, count(*) as timed_count"
        f" from ({times_of_calls(f'(select *, null as date from {table})')}) group by {hour}, {keys}"
        f" order by {', '.join(TIMES_GROUPS)}, timed_ms is null, started_at, timed_ms, timed_first_token_ms"
    )


def timed_calls(table: str, *, is_first: bool = False) -> str:
    """SQL: the columns of a table like `calls`, and of each call what is measured of its speed, exactly. `is_first`: of the
    calls that the first attempt answered."""
    exact = [(name, f"if({_are_timed(is_first)}, {column}, null)") for name, column in TIMED]
    others = ", ".join(f"{of_one} as {name}" for name, of_one in (*SPEEDS, *exact))
    return f"select *, {others}, 1 as call_count, if(error_type is null, 0, 1) as error_count from {table}"


def exact_times(table: str, *, is_first: bool = False) -> str:
    """SQL: the columns of a table like `calls`, of the calls whose times are measured, and these. `is_first`: as there."""
    exact = ", ".join(f"{column} as {name}" for name, column in TIMED)
    return f"select *, {exact} from {table} where {_are_timed(is_first)}"


def _are_timed(is_first: bool) -> str:
    return f"{_IS_TIMED} and {_IS_FIRST}" if is_first else _IS_TIMED


def _rounded(column: str) -> str:
    steps = f"round(ln({column}) / ln({_ROUNDED_BY}))"
    return f"if({column} < {_EXACT_MS}, {column}, cast(round(pow({_ROUNDED_BY}, {steps})) as bigint))"


def begin_of(step: timedelta) -> str:
    """SQL: when the step of time begins in which a call is."""
    step_us = step // timedelta(microseconds=1)
    return f"make_timestamptz(epoch_us(started_at) // {step_us} * {step_us})"


def folder(data: Path) -> Path:
    return Folders(data).lake(f"{_FOLDER}{VERSION}")


def folders_of_earlier_versions(data: Path) -> list[Path]:
    names = {
        entry.name: Path(entry.path) for entry in entries(folder(data).parent) if entry.is_dir(follow_symlinks=False)
    }
    return [names[name] for version in range(1, VERSION) if (name := f"{_FOLDER}{version}") in names]


def summary_of(data: Path, file: Path) -> Path:
    """Where the summary of a Parquet file of `requests` is, or would be."""
    return folder(data) / file.parent.name / file.name


def brief_of(summary: Path) -> Path:
    """The brief one beside it."""
    return summary.with_suffix(BRIEF)


def times_of(summary: Path) -> Path:
    """That of times beside it."""
    return summary.with_suffix(TIMES)


def hits_of(summary: Path) -> Path:
    """That of hits beside it."""
    return summary.with_suffix(HITS)


def retried_of(summary: Path) -> Path:
    """That of retried calls beside it."""
    return summary.with_suffix(RETRIED)


def sessions_of(summary: Path) -> Path:
    """That of sessions beside it, by the day."""
    return summary.with_suffix(SESSIONS)


def day_times_of(summary: Path) -> Path:
    """That of times by the day beside it."""
    return summary.with_suffix(DAY_TIMES)


def parts(summary: Path) -> tuple[Path, ...]:
    """The summary and the smaller ones beside it."""
    return summary, *(summary.with_suffix(suffix) for suffix in _SMALLER)


def not_worth(summary: Path) -> Path:
    """An empty file in the place of a summary that would have nearly as many rows as the calls."""
    return summary.with_suffix(".none")


def found(data: Path, files: list[Path]) -> dict[Path, Path]:
    """Of these files of `requests` those that have a summary and the smaller ones beside it, and the summary."""
    place = str(folder(data))
    days = {file: file.parent.name for file in files}
    there = {entry.path for day in set(days.values()) for entry in entries(Path(place, day))}
    summaries: dict[Path, Path] = {}
    for file, day in days.items():  # names as text: paths of seven files for each day take 20 ms over 120 days
        path = f"{place}/{day}/{file.name}"
        stem = path.removesuffix(WHOLE)
        if path in there and all(f"{stem}{suffix}" in there for suffix in _SMALLER) and is_whole(whole := Path(path)):
            summaries[file] = whole
    return summaries


def _days(data: Path) -> list[Path]:
    days = (Path(entry.path) for entry in entries(folder(data)) if entry.is_dir(follow_symlinks=False))
    return [day for day in days if parse_day(day.name.removeprefix("date="))]


def without_file(data: Path, day: date) -> list[Path]:
    """Summaries of a day, and what stands in their place, whose file is gone."""
    calls = Folders(data).lake_day("requests", day)
    return [
        Path(entry.path)
        for entry in entries(folder(data) / calls.name)
        if not (calls / f"{entry.name.rpartition('.')[0]}.parquet").exists()
    ]


def days(data: Path) -> list[date]:
    """The days that have summaries, or had."""
    return [day for path in _days(data) if (day := parse_day(path.name.removeprefix("date=")))]
