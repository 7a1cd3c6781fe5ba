"""`heliograph reconcile`: what providers billed, beside what was measured here."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from addon.commands.options import data_options, examples
from addon.commands.tables import Style, settle, style_options, warn, write

if TYPE_CHECKING:
    from decimal import Decimal

    from analysis.billing.comparing import Bill, Comparison

_BY: Final = ("day", "model", "key", "project")
COLUMNS: Final = (
    "result",
    "cost_usd",
    "billed_usd",
    "difference_usd",
    "reason",
    "calls",
    "billed_requests",
    "input_tokens",
    "billed_input_tokens",
    "output_tokens",
    "billed_output_tokens",
    "credit_usd",
)


@click.command(
    short_help="Compare the providers' bills with the calls.",
    epilog=examples(
        "heliograph reconcile anthropic-cost.csv anthropic-usage.csv",
        "heliograph reconcile costs.json --by model --since 2026-11-01 --until 2026-12-01",
        "heliograph reconcile bedrock-cur.parquet --by project --json",
    ),
)
@click.argument("files", nargs=-1, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE...")
@click.option("--by", metavar="NAMES", help="Of day, model, key, project. Default: day,model.")
@click.option("--since", metavar="TIME", help="Only these days of the export: from, as of `report`.")
@click.option("--until", metavar="TIME", help="Up to, exclusive.")
@style_options
@data_options
def reconcile(
    files: tuple[Path, ...],
    by: str | None,
    since: str | None,
    until: str | None,
    style: Style,
    data: Path,
    config: Path | None,
) -> None:
    """Compare exports of cost and usage with the calls: matched, missing here, missing there, or priced differently.

    FILE is an export of OpenAI, Anthropic, Google Cloud, AWS or OpenRouter, as CSV, JSON or Parquet; several files may be of
    several providers. What each is shows in its columns. Days are those of the export.
    """
    from analysis.billing.comparing import bills, compare, window_of
    from analysis.billing.exports import read_exports
    from analysis.billing.files import WrongFile
    from analysis.lake import Lake
    from analysis.reports.window import parse_time

    if not files:
        raise click.UsageError("name the exports to compare, e.g. heliograph reconcile costs.csv usage.csv")
    wanted = _read_by(by)
    try:
        exports = read_exports(files)
        found = bills(exports)
        now = datetime.now(UTC)
        asked = []
        for bill in found:
            begin, end = (parse_time(text, now, bill.zone) if text else None for text in (since, until))
            asked.append((bill, window_of(bill, begin, end), _dimensions(bill, wanted)))
    except OSError as error:
        raise click.UsageError(f"{error.filename}: {error.strerror}") from error
    except (WrongFile, ValueError) as error:
        raise click.UsageError(str(error)) from error
    for export in exports:
        if export.goes_on:
            warn(f"{export.path}: it says that there are more pages; only the days in it are compared")
    settle(data, config)
    lake = Lake(data, warn)
    told = [lake.ask(partial(compare, bill=bill, window=window, by=names)) for bill, window, names in asked]
    by_all = [name for name in _BY if any(name in names for _, _, names in asked)]
    columns = ("provider_name", *by_all, *COLUMNS)
    write(columns, [row for each in told for row in _rows(each, by_all)], style, keep_numbers=True)
    click.echo("".join(f"\n{summary(each)}" for each in told), err=style != "table")


def _read_by(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names or not set(names) <= set(_BY) or len(set(names)) < len(names):
        raise click.UsageError(f"--by {text!r}: write one or more of {', '.join(_BY)}, e.g. day,model")
    return names


def _dimensions(bill: "Bill", wanted: Sequence[str] | None) -> tuple[str, ...]:
    """What this bill is compared by. Raises ValueError for what it does not state."""
    if wanted is None:
        return tuple(name for name in ("day", "model") if name in bill.dimensions)
    if lacking := [name for name in wanted if name not in bill.dimensions]:
        raise ValueError(
            f"--by: the export of {bill.provider_name} has no {' and no '.join(lacking)}; it has {', '.join(bill.dimensions)}"
        )
    return tuple(wanted)


def _rows(told: "Comparison", by: Sequence[str]) -> list[tuple[object, ...]]:
    rows = []
    for group, verdict in zip(told.groups, told.verdicts, strict=True):
        stated = group.stated
        cells = {
            "result": verdict.result,
            "reason": verdict.reason,
            "cost_usd": _float(group.cost_usd),
            "billed_usd": _float(group.billed_usd),
            "difference_usd": _float(group.difference_usd),
            "calls": group.calls,
            "billed_requests": group.requests,
            "input_tokens": group.tokens("input_tokens"),
            "billed_input_tokens": group.billed_tokens("input_tokens") if "input_tokens" in stated.tokens else None,
            "output_tokens": group.tokens("output_tokens"),
            "billed_output_tokens": group.billed_tokens("output_tokens") if "output_tokens" in stated.tokens else None,
            "credit_usd": _float(group.found["credit_usd"]),
        }
        rows.append((told.bill.provider_name, *(group.by.get(name) for name in by), *(cells[name] for name in COLUMNS)))
    return rows


def _float(amount: "Decimal | None") -> float | None:
    return None if amount is None else float(amount)


def summary(told: "Comparison") -> str:
    """The sums of one provider in a line."""
    results = [verdict.result for verdict in told.verdicts]
    counts = ", ".join(f"{results.count(result)} {result}" for result in dict.fromkeys(sorted(results)))
    bill = told.bill
    days = f"{bill.provider_name}, {bill.first} to {bill.last} ({bill.zone.name} days)"
    if not bill.stated.cost:
        return f"{days}: {counts}; the export states no costs"
    ours = sum(float(group.cost_usd or 0) for group in told.groups)
    theirs = sum(float(group.billed_usd or 0) for group in told.groups)
    return f"{days}: billed {theirs:.6f} USD, here {ours:.6f} USD, difference {theirs - ours:+.6f} USD; {counts}"
