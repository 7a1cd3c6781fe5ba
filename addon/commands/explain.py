"""`heliograph explain`: how the cost of a call came about."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from addon.commands.options import Failure, data_options, examples
from addon.config.settings import ConfigError

if TYPE_CHECKING:
    from addon.metering.explain import Explanation
    from addon.metering.lines import Line
    from addon.storage.record import RequestRow


@click.command(
    short_help="Show how the cost of a call came about.",
    epilog=examples("heliograph explain 0199a3f2-7c1e-7b3a-9d2f-3f1d2c4b5a69", "heliograph explain ID --json"),
)
@click.argument("request_id")
@click.option("--json", "as_json", is_flag=True, help="One array of objects, one a call with this id.")
@data_options
def explain(request_id: str, as_json: bool, data: Path, config: Path | None) -> None:
    """Print the arithmetic of a cost line by line: units, unit price, source, date and rounding.

    The arithmetic is made again from the row with the prices of today's lists at the time of the call.
    """
    from addon.config import settings
    from addon.metering import fetched_list
    from addon.metering.explain import explain_row
    from addon.metering.price import PriceList
    from analysis.by_id import ask_by_id
    from analysis.explained import request_rows
    from analysis.lake import Lake

    if problem := fetched_list.use(data):
        click.echo(f"heliograph: {problem}", err=True)
    try:
        prices = PriceList(settings.load(data, config).prices)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
    rows = ask_by_id(Lake(data), request_id, lambda connection: request_rows(connection, request_id))
    if not rows:
        raise Failure(f"no call with the id {request_id} in {data}; `heliograph sql` finds ids")
    told = [(row, explain_row(row, prices)) for row in rows]
    if as_json:
        click.echo(json.dumps([_as_json(row, explanation) for row, explanation in told]))
        return
    for row, explanation in told:
        click.echo("\n".join(lines_of(row, explanation)))


def lines_of(row: "RequestRow", explanation: "Explanation") -> list[str]:
    """What is printed for one call."""
    model = row.response_model or row.request_model or "no model stated"
    lines = [
        f"{row.request_id}  {row.started_at:%Y-%m-%d %H:%M:%S} UTC  {row.provider_name}  {row.operation_name}  {model}"
    ]
    lines += [_line(line) for line in explanation.lines]
    if row.usage_source == "estimated":
        lines.append("  tokens estimated: the provider stated none, or the stream was cut")
    if row.usage_quality:
        lines.append(f"  odd usage: {row.usage_quality}")
    if explanation.reason:
        lines.append(f"  {explanation.reason}")
    if row.list_cost_nanousd is not None:
        lines.append(f"  would have cost {usd(row.list_cost_nanousd)} by {explanation.source}; cost: NULL")
    elif row.cost_nanousd is None:
        lines.append("  cost: NULL")
    else:
        lines.append(f"  cost: {usd(row.cost_nanousd)} ({row.cost_source}), rounded once to nano-USD, half to even")
        if explanation.nanousd is not None and explanation.nanousd != row.cost_nanousd:
            lines.append(f"  by today's lists: {usd(explanation.nanousd)} ({explanation.source})")
    lines += [_former(each) for each in former(row)]
    return lines


def former(row: "RequestRow") -> list[dict[str, Any]]:
    """What `heliograph reprice` has changed, oldest first."""
    return json.loads(row.repriced) if row.repriced else []


def _former(repricing: dict[str, Any]) -> str:
    was = repricing["was"]
    cost = "" if "cost_nanousd" not in was else "NULL" if was["cost_nanousd"] is None else usd(was["cost_nanousd"])
    source = was.get("cost_source") or was.get("cost_missing")
    others = [f"{name} {value}" for name, value in was.items() if name.endswith("_tokens") or name == "error_type"]
    about = ", ".join(filter(None, (source, *others)))
    return f"  until {repricing['at']}: {cost or 'the same cost'}" + (f" ({about})" if about else "")


def usd(nanousd: int) -> str:
    return f"{nanousd / 10**9:.9f} USD"


def _line(line: "Line") -> str:
    price = f"{line.price_usd.normalize():f} USD" + (f" per {line.per:,}" if line.per != 1 else "")
    about = ", ".join(filter(None, (line.note, line.source, f"since {line.since}" if line.since else "")))
    return f"  {line.count.normalize():>12,f} {line.unit:<24} x {price:<28} = {line.usd:.9f} USD  ({about})"


def _as_json(row: "RequestRow", explanation: "Explanation") -> dict[str, Any]:
    return {
        "request_id": row.request_id,
        "started_at": row.started_at.isoformat(),
        "cost_nanousd": row.cost_nanousd,
        "cost_source": row.cost_source,
        "list_cost_nanousd": row.list_cost_nanousd,
        "usage_source": row.usage_source,
        "usage_quality": row.usage_quality,
        "reason": explanation.reason,
        "repriced": former(row),
        "lines": [
            {
                "unit": line.unit,
                "count": str(line.count),
                "price_usd": str(line.price_usd),
                "per": line.per,
                "usd": str(line.usd),
                "source": line.source,
                "since": line.since.isoformat() if line.since else None,
                "note": line.note,
            }
            for line in explanation.lines
        ],
    }
