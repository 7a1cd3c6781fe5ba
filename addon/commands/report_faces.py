"""What a report or a statement becomes beside a table: a Parquet file, a picture, a page, a table that is renewed."""

import functools
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import click

from addon.commands.options import Failure
from addon.commands.report_answers import Answered, ask, ask_arrow, say_if_none
from addon.commands.tables import say_if_empty, warn, width

if TYPE_CHECKING:
    import pyarrow as pa

    from addon.limits.rules import Budget
    from addon.metering.overrides import PriceOverride
    from analysis.engines.spark_session import Session
    from analysis.faces.drawing import Words
    from analysis.faces.page import Section
    from analysis.lake import Lake
    from analysis.reports.question import Question

_FILE: Final = click.Path(dir_okay=False, path_type=Path)
PICTURES: Final = (".png", ".svg", ".html")
MOST_PLOTTED: Final = 100_000  # rows of a picture: it shows the largest groups, and the others as one
WATCH_S: Final = 2.0  # a call is in the reports within two seconds of its end


@dataclass(frozen=True, slots=True)
class Faces:
    """The faces that were asked for; none: a table, JSON or CSV."""

    plot: bool = False
    picture: Path | None = None  # of --plot
    html: Path | None = None
    parquet: Path | None = None
    watch_s: float | None = None

    @property
    def takes_several(self) -> bool:
        return not self.parquet and not self.plot

    @property
    def is_export(self) -> bool:
        return bool(self.plot or self.html or self.parquet)


def face_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--plot`, `-o`, `--html`, `--parquet` and `--watch` as one argument, `faces`. To be put below `style_options`."""

    @functools.wraps(command)
    def with_faces(
        *given: Any,
        plot: bool,
        picture: Path | None,
        html: Path | None,
        parquet: Path | None,
        watch_s: float | None,
        style: str,
        **named: Any,
    ) -> Any:
        faces = Faces(plot, picture, html, parquet, watch_s)
        _check(faces, style)
        return command(*given, faces=faces, style=style, **named)

    options = (
        click.option("--plot", is_flag=True, help="Draw it in the terminal, or with -o as a picture."),
        click.option(
            "-o", "--output", "picture", type=_FILE, metavar="FILE", help="Of --plot: a new .png, .svg or .html file."
        ),
        click.option(
            "--html", type=_FILE, metavar="FILE", help="Write the reports as one new HTML page with pictures."
        ),
        click.option("--parquet", type=_FILE, metavar="FILE", help="Write a new Parquet file, types kept."),
        click.option(
            "--watch",
            "watch_s",
            is_flag=False,
            flag_value=WATCH_S,
            type=click.FloatRange(min=0.5),
            metavar="[SECONDS]",
            help="Renew it every 2 seconds, or every SECONDS, until Ctrl-C.",
        ),
    )
    for option in reversed(options):
        with_faces = option(with_faces)
    return with_faces


def _check(faces: Faces, style: str) -> None:
    """Wrong usage where two faces were asked for, or a file that cannot be."""
    wanted = {"--json": style == "json", "--csv": style == "csv", "--plot": faces.plot}
    wanted |= {"--html": bool(faces.html), "--parquet": bool(faces.parquet)}
    chosen = [option for option, is_wanted in wanted.items() if is_wanted]
    if len(chosen) > 1:
        raise click.UsageError(f"{' and '.join(chosen)}: choose one")
    if faces.picture and not faces.plot:
        raise click.UsageError(f"-o {faces.picture} is for --plot; write --plot -o FILE, or --html or --parquet FILE")
    if faces.picture and faces.picture.suffix.lower() not in PICTURES:
        raise click.UsageError(f"-o {faces.picture}: a picture is a .png, .svg or .html file")
    if faces.watch_s and (faces.picture or chosen not in ([], ["--plot"])):
        raise click.UsageError(f"--watch renews a terminal; it does not go with {'-o' if faces.picture else chosen[0]}")
    for target in filter(None, (faces.picture, faces.html, faces.parquet)):
        refuse(target)


def parquet_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--parquet FILE` alone. To be put below `style_options`."""

    @functools.wraps(command)
    def checked(*given: Any, parquet: Path | None, style: str, **named: Any) -> Any:
        _check(Faces(parquet=parquet), style)
        return command(*given, parquet=parquet, style=style, **named)

    return click.option("--parquet", type=_FILE, metavar="FILE", help="Write a new Parquet file, types kept.")(checked)


def plotted(questions: "Sequence[Question]", limit: int | None) -> "list[Question]":
    """The questions with all the rows that a picture needs, unless --limit says how many."""
    return [
        question if limit is not None or question.report.name in _PAGES else replace(question, limit=MOST_PLOTTED)
        for question in questions
    ]


_PAGES: Final = ("summary", "weekly")  # their rows are of several kinds: one picture cannot show them


def export(
    faces: Faces,
    questions: "Sequence[Question]",
    data: Path,
    own_prices: "Sequence[PriceOverride]",
    budgets: "Sequence[Budget]",
    session: "Session | None" = None,
) -> None:
    """Writes the file that was asked for, or draws on the terminal. `session`: as in `ask`."""
    from analysis.lake import Lake

    lake = Lake(data, warn)
    if faces.parquet:
        table = ask_arrow(lake, questions[0], own_prices, session)
        export_parquet(faces.parquet, table.to_reader())
        if questions[0].limit and table.num_rows == questions[0].limit:
            warn(f"only the {questions[0].kept} {table.num_rows:,} rows; --limit 0 writes all")
        say_if_empty(lake, data)
        return
    if faces.html and len(questions) == 1 and questions[0].report.name == "weekly":
        write_text(faces.html, _weekly(lake, questions[0], data, budgets, session))
    elif faces.html:
        _write_page(
            faces.html, [_answered(lake, question, data, session, own_prices=own_prices) for question in questions]
        )
    else:
        answered = _answered(lake, questions[0], data, session, own_prices=own_prices)
        say_if_empty(lake, data)  # first: without rows there is nothing to plot, which is a failure
        _plot(faces.picture, answered)
        return
    say_if_empty(lake, data)


def _answered(
    lake: "Lake",
    question: "Question",
    data: Path,
    session: "Session | None",
    budgets: "Sequence[Budget]" = (),
    own_prices: "Sequence[PriceOverride]" = (),
) -> Answered:
    answered = ask(lake, question, data, budgets, own_prices, session=session)
    if not lake.is_empty():
        say_if_none(answered)
    return answered


def _plot(target: Path | None, answered: Answered) -> None:
    from analysis.faces.chart import chart_of, plotted_column

    report, zone = answered.question.report, answered.question.window.zone
    if report.name in _PAGES:
        raise click.UsageError(f"report {report.name} has several parts; --html FILE makes a page with their pictures")
    if target is not None and target.suffix.lower() == ".html":
        _write_page(target, [answered])
        return
    try:
        chart = chart_of(answered.table, plotted_column(report.sql), zone)
    except ValueError as error:
        raise Failure(str(error)) from error
    words = _words(answered)
    if target is None:
        from analysis.faces.terminal_plot import plot

        click.echo(f"\n{words.title}\n{words.subtitle}\n")
        click.echo(plot(chart, width() or 80, has_colour=shows_colour()), color=True)
        click.echo("\n".join(answered.notes))
        return
    from analysis.faces import picture

    draw = picture.png if target.suffix.lower() == ".png" else picture.svg
    write_bytes(target, draw(chart, words))


def _words(answered: Answered) -> "Words":
    from analysis.faces.chart import title
    from analysis.faces.drawing import Words

    question = answered.question
    groups = [*([question.every] if question.every else []), *(question.by or question.report.by or ())]
    # Of the notes the first is the totals, the second how many calls have no price: the rest is for a terminal.
    note = "; ".join(line.partition(":")[0] for line in answered.notes[:2])
    return Words(title(question.report.question, groups), str(question), note)


def _write_page(target: Path, answers: Sequence[Answered]) -> None:
    from analysis.faces.page import page

    write_text(target, page([_section(answered) for answered in answers]))


def _section(answered: Answered) -> "Section":
    from analysis.faces.chart import chart_of, plotted_column
    from analysis.faces.page import Section
    from analysis.table import Table

    question, table, zone = answered.question, answered.table, answered.question.window.zone
    try:
        chart = None if question.report.name in _PAGES else chart_of(table, plotted_column(question.report.sql), zone)
    except ValueError:  # no rows, or no numbers: the table says it all
        chart = None
    words = _words(answered)
    local = Table(table.columns, [zone.local_row(row) for row in table.rows])
    return Section(question.report.name, words.title, words.subtitle, local, chart, "\n".join(answered.notes))


def _weekly(
    lake: "Lake", question: "Question", data: Path, budgets: "Sequence[Budget]", session: "Session | None"
) -> str:
    from addon.commands.budgets import budgets_table
    from analysis.faces.weekly import week_of
    from analysis.faces.weekly_page import weekly_html

    answered = _answered(lake, question, data, session, budgets)
    week = week_of(answered.table, question.window)
    return weekly_html(week, budgets_table(answered.budgets, question.window.zone), answered.notes)


def repeat(show: Callable[[], None], every_s: float | None) -> None:
    """Shows once, or again and again on a cleared terminal until Ctrl-C."""
    if every_s is None:
        show()
        return
    if not sys.stdout.isatty():
        raise click.UsageError("--watch renews a terminal, and standard output is none")
    with suppress(KeyboardInterrupt):  # the way to end it, not a failure
        while True:
            click.clear()
            show()
            time.sleep(every_s)


def shows_colour() -> bool:
    """On a terminal, unless NO_COLOR is set."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def refuse(target: Path) -> None:
    """Wrong usage for a file that is there already, or whose folder is not."""
    from analysis.faces.export import refuse_existing

    try:
        refuse_existing(target)
    except FileExistsError as error:
        raise click.UsageError(str(error)) from error
    if not target.parent.is_dir():
        raise click.UsageError(f"{target}: the folder {target.parent} does not exist")


def export_parquet(target: Path, reader: "pa.RecordBatchReader") -> None:
    """Writes the file and says so on stderr."""
    import pyarrow as pa

    from analysis.faces.export import write_parquet

    try:
        rows = write_parquet(target, reader.schema, reader)
    except pa.ArrowNotImplementedError as error:
        raise Failure(f"{error}: Parquet has no such type; cast the column, e.g. to varchar") from error
    except FileExistsError as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise unwritable(target, error) from error
    said(target, f"{rows:,} {'row' if rows == 1 else 'rows'}")


def said(target: Path, what: str) -> None:
    click.echo(f"heliograph: {target}: {what}", err=True)


def unwritable(target: Path, error: OSError) -> Failure:
    return Failure(f"{target}: {error.strerror or error}")


def write_text(target: Path, text: str) -> None:
    write_bytes(target, text.encode("utf-8", "backslashreplace"))


def write_bytes(target: Path, content: bytes) -> None:
    """Writes a new file and says so on stderr."""
    from analysis.faces.export import write_new

    def write(file: IO[bytes]) -> None:
        file.write(content)

    try:
        write_new(target, write)
    except FileExistsError as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise unwritable(target, error) from error
    said(target, "written")
