"""How long each report takes over a made-up lake: the whole process, and its query alone. Shortest of two runs.

./scripts/bench --lake 10000000                     makes ten million calls and their summaries in a temporary folder, three minutes of CPU
./scripts/bench --lake 10000000 --lake-dir DIR      keeps them in DIR, and takes them from there the next time
"""

import contextlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from analysis.lake import Connection, Lake
from analysis.reports.asking import answer
from analysis.reports.question import Question
from analysis.reports.report import REPORTS, load
from analysis.reports.window import parse_window
from scripts.made_lake import DAYS, make_lake

SINCE: Final = f"{DAYS + 1}d"  # everything
GOALS_S: Final = ((10_000_000, 1.0), (100_000_000, 8.0))  # calls, whole process
ID_GOAL_S, EMPTY_GOAL_S, ROW_GOAL_BYTES = 0.4, 0.25, 60


@dataclass(frozen=True, slots=True)
class Taken:
    clock_s: float
    cpu_s: float  # of all threads; says more where other programs run


def measure_lake(calls: int, kept: Path | None) -> None:
    """Makes the lake where it is not there yet, and prints one table."""
    os.nice(10)  # the processes that it starts, too
    with lake_folder(kept) as data:
        make_calls(data, calls)
        lake = Lake(data)
        runs = 2 if calls <= 20_000_000 else 1
        goal = next((seconds for least, seconds in GOALS_S if calls <= least), None)
        print("\n| what | whole process s | its CPU s | query alone s | its CPU s | goal: whole process s |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |", flush=True)
        empty = data / "empty"
        empty.mkdir(exist_ok=True, mode=0o700)
        _print_row("report, empty folder", shortest_process(3, "report", "--data", empty), None, EMPTY_GOAL_S)
        request_id = lake.ask(_some_id)
        by_id = f"from requests where request_id = '{request_id}'"
        _print_row(
            "a row by id",
            shortest_process(runs, "sql", "--json", by_id, "--data", data),
            _query(lake, runs, lambda connection: connection.sql(f"select status {by_id}").fetchall()),
            ID_GOAL_S,
        )
        for name in REPORTS:
            _print_row(
                f"report {name}",
                shortest_process(runs, "report", name, "--since", SINCE, "--tz", "UTC", "--data", data),
                _query(lake, runs, partial(_run, name=name)),
                goal,
            )
        # Those above ask for all days; this one is opened on a Monday, for its week.
        _print_row(
            "report weekly, its week",
            shortest_process(runs, "report", "weekly", "--tz", "UTC", "--data", data),
            None,
            goal,
        )
        _print_sizes(data, lake)


@contextlib.contextmanager
def lake_folder(kept: Path | None) -> Iterator[Path]:
    """The folder that is kept, else one that is removed."""
    if kept:
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="heliograph-bench-") as folder:
        yield Path(folder)


def make_calls(data: Path, calls: int) -> None:
    """Where there are none yet."""
    lake = Lake(data)
    if not lake.is_empty():
        print(f"{lake.ask(lambda connection: _count(connection, 'requests')):,} calls in {data}")
        return
    begun = time.monotonic()
    made = make_lake(data, calls, datetime.now(UTC))
    print(
        f"{made.calls:,} calls over {made.days} days, {made.with_bodies:,} of them with bodies, made in"
        f" {time.monotonic() - begun:.0f} s"
    )


def shortest_process(runs: int, *arguments: str | Path, environment: Mapping[str, str] | None = None) -> Taken:
    """A command from its start to its end, with these variables as well."""
    command = [str(Path(sys.executable).parent / "heliograph"), *map(str, arguments)]
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    quiet = subprocess.DEVNULL
    return _shortest(
        runs,
        resource.RUSAGE_CHILDREN,
        lambda: subprocess.run(
            command, check=True, stdout=quiet, stderr=quiet, env=inherited | dict(environment or {})
        ),
    )


def _query(lake: Lake, runs: int, question: Callable[[Connection], object]) -> Taken:
    """A query in this process, its connection made before."""

    def ask(connection: Connection) -> Taken:
        return _shortest(runs, resource.RUSAGE_SELF, lambda: question(connection))

    return lake.ask(ask)


def _shortest(runs: int, whose: int, action: Callable[[], object]) -> Taken:
    """The shortest of some runs, by the clock and by CPU."""
    taken = []
    for _ in range(runs):
        begun, cpu_begun = time.perf_counter(), _cpu_s(whose)
        action()
        taken.append(Taken(time.perf_counter() - begun, _cpu_s(whose) - cpu_begun))
    return Taken(min(one.clock_s for one in taken), min(one.cpu_s for one in taken))


def _cpu_s(whose: int) -> float:
    used = resource.getrusage(whose)
    return used.ru_utime + used.ru_stime


def _run(connection: Connection, name: str) -> object:
    window = parse_window(SINCE, None, datetime.now(UTC))
    return answer(connection, Question(report=load(name), window=window))


def _some_id(connection: Connection) -> str:
    sql = f"select request_id from requests where date = current_date - {DAYS // 3} limit 1"
    return str(connection.sql(sql).fetchall()[0][0])


def _count(connection: Connection, table: str) -> int:
    return int(connection.sql(f"select count(*) from {table}").fetchall()[0][0])


def _print_row(what: str, process: Taken, query: Taken | None, goal_s: float | None) -> None:
    figures = [process.clock_s, process.cpu_s, *((query.clock_s, query.cpu_s) if query else (None, None)), goal_s]
    print(f"| {what} | {' | '.join('' if figure is None else f'{figure:.2f}' for figure in figures)} |", flush=True)


def _print_sizes(data: Path, lake: Lake) -> None:
    print()
    for table in ("requests", "bodies"):
        files = list((data / "lake" / table).glob("*/*.parquet"))
        size = sum(file.stat().st_size for file in files)
        rows = lake.ask(partial(_count, table=table))
        goal = f", at most {ROW_GOAL_BYTES} are the goal" if table == "requests" else ""
        print(f"{table}: {size / max(rows, 1):.1f} bytes a row in {len(files):,} files{goal}")
