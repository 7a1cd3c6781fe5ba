"""`heliograph doctor --fleet`: every proxy that shares a Redis or a bucket, in a table, and what is wrong with them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from addon.commands.options import Failure
from analysis.health.finding import BAD
from analysis.health.fleet import Fleet, Member, fleet_findings, fleet_of

_HEADINGS: Final = {
    "name": "proxy",
    "version": "version",
    "heard_s_ago": "heard s ago",
    "clock_ahead_s": "clock ahead s",
    "lake_behind_s": "lake behind s",
    "waiting_calls": "calls not shipped",
}


def examine_fleet(data: Path, config: Path | None, as_json: bool) -> int:
    """Print all; 1 if something is wrong, else 0."""
    fleet = fleet_of(data, config)
    if fleet is None:
        raise Failure(
            'this proxy shares nothing, so there is no fleet to look at: it takes [shared] or lake = "s3://..." in its'
            " settings; docs/scale.md"
        )
    findings = list(fleet_findings(fleet))
    if as_json:
        proxies = [facts(member) for member in fleet.members]
        click.echo(json.dumps({"proxies": proxies, "findings": [asdict(finding) for finding in findings]}))
    else:
        for line in [*_table(fleet), *(finding.line for finding in findings)]:
            click.echo(line)
    return 1 if any(finding.level == BAD for finding in findings) else 0


def facts(member: Member) -> dict[str, Any]:
    beat = member.beat
    return {
        "owner": beat.owner,
        "name": beat.name,
        "host": beat.host,
        "listen": beat.listen or None,
        "workers": beat.workers,
        "version": beat.version,
        "heard_s_ago": round(member.silent_s),
        "clock_ahead_s": round(member.ahead_s),
        "lake_behind_s": None if member.behind_s is None else round(member.behind_s),
        "waiting_calls": beat.waiting_calls,
        "waiting_bytes": beat.waiting_bytes,
        "trouble": beat.trouble or None,
        "settings": beat.settings,
        "settings_problem": beat.settings_problem or None,
    }


def _table(fleet: Fleet) -> Iterator[str]:
    rows = [_HEADINGS, *({name: _shown(found[name]) for name in _HEADINGS} for found in map(facts, fleet.members))]
    widths = {name: max(len(row[name]) for row in rows) for name in _HEADINGS}
    if fleet.members:
        yield from (_line(row, widths) for row in rows)


def _line(row: Mapping[str, str], widths: Mapping[str, int]) -> str:
    first, *others = (
        row[name].ljust(widths[name]) if name in ("name", "version") else row[name].rjust(widths[name])
        for name in _HEADINGS
    )
    return "  ".join((first, *others)).rstrip()


def _shown(value: Any) -> str:
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
