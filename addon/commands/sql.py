"""`heliograph sql`. DuckDB is imported when it runs: `heliograph up` loads this file, too, and does not need it."""

import sys
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from addon.commands.bounded import MOST_S, Clock, bounded
from addon.commands.options import Failure, data_options, examples
from addon.commands.report_faces import export_parquet, parquet_option
from addon.commands.tables import Style, say_if_empty, settle, style_options, warn, write
from addon.objects.stand_in import url_of

if TYPE_CHECKING:
    from analysis.lake import Connection

# DuckDB's share of the memory, and all that the process may take. JSON and CSV are written as the rows come.
SQL_MEMORY: Final = "1GiB"
MOST_SQL_BYTES: Final = 2 * 2**30


class WrongStatement(click.ClickException):
    """SQL that cannot be read, asks for what there is not, or does more than ask: wrong usage."""

    exit_code = 2


@click.command(
    short_help="Ask in SQL (DuckDB), read-only.",
    epilog=examples(
        'heliograph sql "select response_model, sum(cost_usd) from requests group by all"',
        'heliograph sql --json "from sessions order by cost_usd desc limit 10"',
        'heliograph sql --csv "from requests where date = current_date" > today.csv',
        'heliograph sql --parquet today.parquet "from requests where date = current_date"',
        'echo "select count(*) from requests" | heliograph sql -',
        'heliograph sql --timeout 3600 "select request_model, median(duration_ms) from requests group by all"',
        "heliograph sql \"select tool_name, arguments from messages where session_id = 's1'\"",
        "heliograph sql --views > views.sql; duckdb -init views.sql",
    ),
)
@click.argument("statement", required=False)
@click.option("--views", is_flag=True, help="Print the definitions of the views, for `duckdb -init`.")
@click.option(
    "--timeout",
    "most_s",
    type=click.FloatRange(min=0, min_open=True),
    default=MOST_S,
    show_default=True,
    metavar="SECONDS",
    help="Stop a statement that works longer than this on its first row, or on the next one.",
)
@style_options
@parquet_option
@data_options
def sql(
    statement: str | None,
    views: bool,
    most_s: float,
    style: Style,
    parquet: Path | None,
    data: Path,
    config: Path | None,
) -> None:
    """Ask in SQL (DuckDB), read-only: the views requests, bodies, messages, conversations, sessions, users, feedback and scores.

    `-` reads standard input. Times are UTC. `describe requests` shows the columns. The views messages (one row a part) and
    conversations read bodies as you ask: name the calls by request_id, session_id, started_at or date.
    """
    import duckdb

    from analysis.column_hints import with_hint
    from analysis.lake import Lake, view_definitions
    from analysis.message_views import may_use, python_error
    from analysis.process_memory import limit_data
    from analysis.reports.scope import OF_THE_SQL, Scope, named_in, open_scope, printed_views
    from analysis.reports.window import parse_window
    from analysis.table import NotAllowed, stream_user_arrow, stream_user_sql

    if views and url_of(data):
        raise click.UsageError(
            "--views names files of a folder here; a lake in a bucket is read by its own URL, see docs/lake.md"
        )
    if views:
        click.echo(f"{view_definitions(data)}\n\n{printed_views()}")
        return
    if statement is None:
        raise click.UsageError('give a statement, e.g. "select count(*) from requests", or - for standard input')
    text = sys.stdin.read() if statement == "-" else statement
    settle(data, config)
    limit_data(MOST_SQL_BYTES)
    # `calls` is among the views that a statement lists.
    asked_views = named_in(text.lower()) | ({"calls"} if may_use(text) else set())
    lake = Lake(data, warn, memory=SQL_MEMORY, has_summaries=not asked_views <= {"calls", "calls_before"})

    window = parse_window(None, None, datetime.now(UTC))

    advice = f"ask for fewer calls, or give it longer: --timeout {2 * most_s:g}"

    def answer(connection: "Connection") -> None:
        with bounded(connection, most_s, "the statement", advice) as clock:
            ask(connection, clock)

    def ask(connection: "Connection", clock: Clock) -> None:
        open_scope(connection, Scope(window), asked_views)
        if parquet:
            export_parquet(parquet, stream_user_arrow(connection, text))
            return
        columns, rows = stream_user_sql(connection, text)
        rows = clock.of(rows)
        first = list(islice(rows, 1))  # opens the files: what fails until here is asked again
        try:
            write(columns, chain(first, rows), style, keep_numbers=False)
        except duckdb.InterruptException:
            raise
        except duckdb.Error as error:
            raise python_error(error) or Failure(str(error)) from error

    try:
        lake.ask(answer)
    except (MemoryError, duckdb.OutOfMemoryException) as error:
        raise Failure(
            f"this needs more than {MOST_SQL_BYTES >> 30} GiB of memory; add a limit, take fewer columns or less time"
        ) from error
    except (NotAllowed, *OF_THE_SQL) as error:
        raise WrongStatement(with_hint(str(error))) from error
    except duckdb.Error as error:
        raise Failure(with_hint(str(error))) from error
    say_if_empty(lake, data)
