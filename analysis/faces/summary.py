"""What one run of a program came to, for `heliograph run`."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from analysis.faces.footer import count, footer
from analysis.faces.render import cell, printable
from analysis.lake import Connection, Lake
from analysis.reports.report import load_internal, totals
from analysis.reports.scope import Scope, open_scope
from analysis.reports.unpriced import unpriced_in
from analysis.reports.window import Window
from analysis.table import fetch


def summarise(data: Path, request_ids: Sequence[str], began_at: datetime, took_s: float) -> str:
    """Lines on cost, tokens, time, errors, the slowest call and those without a price. `took_s`: how long the program ran.

    Callers may use an id twice: calls before `began_at` do not belong to this run.
    """
    return "\n".join(Lake(data).ask(lambda connection: list(_lines(connection, list(request_ids), began_at, took_s))))


def _lines(connection: Connection, ids: list[str], began_at: datetime, took_s: float) -> Iterator[str]:
    # A table of the view's name hides the view: from here on this connection knows the run's calls only.
    connection.execute(
        "create temp table requests as select * from main.requests where started_at >= $began_at"
        " and request_id in (select unnest($ids))",
        {"ids": ids, "began_at": began_at},
    )
    open_scope(connection, Scope(Window(began_at)), ["calls", "calls_summed"])
    total = totals(connection)
    first, *others = footer(total, unpriced_in(connection, total))
    noun = "token" if total.input_tokens == 1 else "tokens"
    tokens = f"{cell('', total.input_tokens)} {noun} in, {cell('', total.output_tokens)} out"
    yield f"heliograph: {first}; {tokens}; {took_s:.1f} s"
    if total.errors:
        yield f"  {count(total.errors, 'error')}: {_errors(connection)}"
    for model, duration_ms, request_id in fetch(connection, load_internal("slowest").sql).rows:
        yield f"  slowest: {printable(model)}, {duration_ms / 1000:.2f} s ({request_id})"
    yield from (f"  {line}" for line in others)
    if (missing := len(ids) - total.calls) > 0:
        yield f"  {count(missing, 'call')} not settled yet; `heliograph report` shows them"


def _errors(connection: Connection) -> str:
    """`1 x 400 model_not_found, 1 x 429`, the most frequent first."""
    rows = fetch(connection, load_internal("run_errors").sql).rows
    return ", ".join(f"{number:,} x {_error(status, error)}" for number, status, error in rows)


def _error(status: int | None, error: str) -> str:
    """An HTTP status with the provider's word for it, where that says more; without a status the word alone."""
    if status is None or status < 200:
        return printable(error)
    return str(status) if error == f"http_{status}" else printable(f"{status} {error}")
