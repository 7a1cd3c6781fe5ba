"""What a summary is: the calls of one merged file, those put together that are alike in all that reports group by.

One row stands for the calls of a quarter of an hour that have the same values in GROUPS and of which the same numbers are
known; SUMS are their sums. So every sum, count and NULL test gives what it gives over the calls themselves. A summary belongs to
the file whose name it has: it counts while that file does, and says nothing once the file was replaced. It can be deleted at any
time. A quarter of an hour is the step of all time zones.
"""

from datetime import date, timedelta
from pathlib import Path
from typing import Final

from addon.storage.folders import Folders, entries, parse_day
from addon.storage.lake import is_whole

VERSION: Final = 1  # of the columns below; summaries of other versions are not read
STEP: Final = timedelta(minutes=15)
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
COLUMNS: Final = ("started_at", *GROUPS, *SUMS, *(name for name, _, _ in OTHERS))
_STEP_US: Final = STEP // timedelta(microseconds=1)


def of_calls(table: str) -> str:
    """SQL: each call of a table like `requests` as a row that stands for it alone."""
    others = ", ".join(f"{of_one} as {name}" for name, of_one, _ in OTHERS)
    return f"select date, started_at, {', '.join((*GROUPS, *SUMS))}, {others} from {table}"


def summarised(table: str) -> str:
    """SQL: the summary of a table like `requests`."""
    quarter = f"make_timestamptz(epoch_us(started_at) // {_STEP_US} * {_STEP_US})"
    sums = ", ".join(f"cast(sum({name}) as bigint) as {name}" for name in SUMS)
    known = ", ".join(f"{name} is null" for name in SUMS)
    others = ", ".join(f"{of_several} as {name}" for name, _, of_several in OTHERS)
    groups = ", ".join(GROUPS)
    return (
        f"select {quarter} as started_at, {groups}, {sums}, {others} from {table}"
        f" group by {quarter}, {groups}, {known}, usage_raw is not null order by {', '.join(ORDER)}"
    )


def folder(data: Path) -> Path:
    return Folders(data).lake(f"summaries-{VERSION}")


def summary_of(data: Path, file: Path) -> Path:
    """Where the summary of a Parquet file of `requests` is, or would be."""
    return folder(data) / file.parent.name / file.name


def not_worth(summary: Path) -> Path:
    """An empty file in the place of a summary that would have nearly as many rows as the calls."""
    return summary.with_suffix(".none")


def found(data: Path, files: list[Path]) -> dict[Path, Path]:
    """Of these files of `requests` those that have a summary, and that."""
    names = {(day.name, entry.name) for day in _days(data) for entry in entries(day) if entry.name.endswith(".parquet")}
    return {
        file: summary
        for file in files
        if (file.parent.name, file.name) in names and is_whole(summary := summary_of(data, file))
    }


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
