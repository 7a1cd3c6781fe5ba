"""`heliograph report --list`: which questions there are, and what can be asked of each."""

from typing import TYPE_CHECKING

from addon.commands.tables import Style, warn, write

if TYPE_CHECKING:
    from analysis.reports.report import Report
    from analysis.reports.shelf import Shelf


def print_list(shelf: "Shelf", style: Style) -> None:
    """A row for each report, on standard output; what is wrong with files on stderr."""
    from analysis.reports.report import STANDING

    rows = [_row(shelf.find(name), style) for name in shelf.names if name not in STANDING]
    rows += [
        (name, question, *(([], []) if style == "json" else (None, None)), None) for name, question in STANDING.items()
    ]
    columns = ["name", "question", "by", "options", "file"]
    if style == "table" and not shelf.own:
        columns.remove("file")
        rows = [row[:-1] for row in rows]
    write(columns, rows, style, keep_numbers=True)
    for problem in shelf.problems.values():
        warn(problem)


def _row(report: "Report", style: Style) -> tuple[object, ...]:
    by, options = report.by or (), _options(report)
    lists = (by, options) if style == "json" else (",".join(by) or None, " ".join(options))
    return (report.name, report.question or None, *lists, str(report.file) if report.file else None)


def _options(report: "Report") -> list[str]:
    """Those of --by, --every, --where and --compare that it takes; --since, --until, --tz and --limit are for all."""
    takes = {
        "--by": report.by is not None,
        "--every": report.takes_times,
        "--where": True,
        "--compare": report.can_compare,
    }
    return [option for option, applies in takes.items() if applies]
