"""`heliograph cache stats` and `cache clear`."""

import json
import os
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from addon.commands.options import Failure, data_options, examples, read_settings

if TYPE_CHECKING:
    from addon.caching.store import AnswerShelf

_SPAN: Final = re.compile(r"([0-9]{1,6})([smhdw])")
_UNIT_S: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


@click.group(
    short_help="Show or clear the cache.",
    epilog=examples("heliograph cache stats", "heliograph cache clear --older-than 7d"),
)
def cache() -> None:
    """Show how much the cache holds, or remove answers from it."""


@cache.command(
    short_help="How much is in the cache?",
    epilog=examples("heliograph cache stats", "heliograph cache stats --json"),
)
@click.option("--json", "as_json", is_flag=True, help="One object.")
@data_options
def stats(as_json: bool, data: Path, config: Path | None) -> None:
    """How many answers the cache has, what space they take, and how old they are. Times are UTC."""
    from addon.caching.store import CacheDown

    try:
        found = _shelves(data, config)[-1].stats()  # the shared one where there is one: answers are stored there
    except CacheDown as error:
        raise Failure(str(error)) from error
    facts: dict[str, int | str | None] = {
        "entries": found.entries,
        "bytes": found.bytes,
        "max_bytes": found.max_bytes,
        "oldest_stored_at": _moment(found.oldest_stored_at),
        "newest_stored_at": _moment(found.newest_stored_at),
    }
    if as_json:
        click.echo(json.dumps(facts))
        return
    for name, value in facts.items():
        click.echo(f"{name:<16}  {'-' if value is None else f'{value:,}' if isinstance(value, int) else value}")


@cache.command(
    short_help="Remove answers from the cache.",
    epilog=examples(
        "heliograph cache clear --model gpt-4o-mini --older-than 24h", "heliograph cache clear --seed experiment-1"
    ),
)
@click.option("--seed", metavar="TEXT", help="Only those stored under this Helicone-Cache-Seed.")
@click.option("--model", metavar="NAME", help="Only those of this model.")
@click.option(
    "--older-than",
    "older_than_s",
    metavar="SPAN",
    callback=lambda context, parameter, value: None if value is None else _seconds(value),
    help="Only those stored longer ago: 90s, 30m, 24h, 7d, 4w.",
)
@click.option("--json", "as_json", is_flag=True, help="One object.")
@data_options
def clear(
    seed: str | None,
    model: str | None,
    older_than_s: float | None,
    as_json: bool,
    data: Path,
    config: Path | None,
) -> None:
    """Remove the answers that match every option given; without options, all. A proxy may run meanwhile."""
    from addon.caching.store import CacheDown

    try:
        removed = sum(
            shelf.clear(now=time.time(), seed=seed, model=model, older_than_s=older_than_s)
            for shelf in _shelves(data, config)
        )
    except CacheDown as error:
        raise Failure(str(error)) from error
    click.echo(json.dumps({"removed": removed}) if as_json else f"{removed:,} answers removed")


def _shelves(data: Path, config: Path | None) -> "tuple[AnswerShelf, ...]":
    from addon.config.settings import ConfigError
    from addon.config.stores import answer_shelves

    try:
        return answer_shelves(read_settings(data, config), os.environ)
    except ConfigError as error:
        raise Failure(str(error)) from error


def _seconds(span: str) -> float:
    found = _SPAN.fullmatch(span)
    if found is None:
        raise click.BadParameter(f"{span!r} is not a span of time; write 90s, 30m, 24h, 7d or 4w")
    return float(int(found[1]) * _UNIT_S[found[2]])


def _moment(epoch_s: float | None) -> str | None:
    return None if epoch_s is None else datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="seconds")
