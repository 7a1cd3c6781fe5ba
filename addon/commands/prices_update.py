"""`heliograph prices update`: fetches the newest genai-prices list. Nothing else ever fetches it."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from addon.commands.options import Failure, data_options, examples

if TYPE_CHECKING:
    from addon.metering.list_changes import Change

# Where genai_prices.update_prices fetches it as well.
NEWEST: Final = "https://raw.githubusercontent.com/pydantic/genai-prices/refs/heads/main/prices/new_data/v2/data.json"
CONNECT_S: Final = 10.0
WHOLE_S: Final = 60.0


@click.command(
    short_help="Fetch the newest price list, and say what changed.",
    epilog=examples("heliograph prices update", "heliograph prices update --from https://mirror.example.org/data.json"),
)
@click.option(
    "--from", "url", default=NEWEST, metavar="URL", help="Fetch it from here. Default: genai-prices on GitHub."
)
@click.option("--json", "as_json", is_flag=True, help="The changes as one array of objects.")
@data_options
def update(url: str, as_json: bool, data: Path, config: Path | None) -> None:
    """Fetch the newest genai-prices list into the data folder, and print which models and prices changed.

    Running proxies use it within seconds, for the calls from then on. To go back delete the file that is named at the end.
    Anything but a whole, newer list changes nothing.
    """
    from genai_prices import data_snapshot

    from addon.metering import fetched_list
    from addon.metering.list_changes import changes

    if problem := fetched_list.use(data):
        click.echo(f"heliograph: {problem}", err=True)
    before = data_snapshot.get_snapshot().providers
    now = datetime.now(UTC)
    try:
        content = download(url)
        after = fetched_list.read_list(content)
        fetched_list.refuse_less(after, before)
    except fetched_list.NotAList as problem:
        raise Failure(f"{url}: {problem}. Nothing was changed.") from problem
    found = changes(before, after, now)
    if not found:
        click.echo("heliograph: the list in use is the newest one; nothing was changed", err=True)
        _tell([], as_json)
        return
    try:
        path = fetched_list.keep(data, content, url, now)
    except OSError as error:
        raise Failure(f"{data}: {error.strerror}. Nothing was changed.") from error
    _tell(found, as_json)
    click.echo(f"heliograph: {summary(found)}; delete {path} to go back to the installed list", err=True)


def download(url: str) -> bytes:
    """The body of a 200. Raises NotAList for anything else, or one that is too large."""
    import httpx2

    from addon.metering.fetched_list import MOST_BYTES, NotAList

    if not url.startswith(("http://", "https://")):
        raise NotAList("it is not an http(s) URL")
    started = datetime.now(UTC)
    content = bytearray()
    try:
        with httpx2.stream("GET", url, timeout=CONNECT_S, follow_redirects=True) as answer:
            if answer.status_code != 200:
                raise NotAList(f"the answer was {answer.status_code}")
            for piece in answer.iter_bytes():
                content += piece
                if len(content) > MOST_BYTES:
                    raise NotAList(f"it is larger than {MOST_BYTES >> 20} MiB")
                if (datetime.now(UTC) - started).total_seconds() > WHOLE_S:
                    raise NotAList(f"it took longer than {WHOLE_S:.0f} s")
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise NotAList(f"it could not be fetched: {error or type(error).__name__}") from error
    return bytes(content)


def summary(found: "list[Change]") -> str:
    """`3 models added, 1 removed, 2 with other prices`."""
    kinds = {kind: {(one.provider, one.model) for one in found if one.kind == kind} for kind in _KINDS}
    return ", ".join(f"{len(models)} {_KINDS[kind]}" for kind, models in kinds.items())


_KINDS: Final = {"added": "models added", "removed": "removed", "changed": "with other prices"}


def _tell(found: "list[Change]", as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([asdict(change) for change in found]))
        return
    for change in found:
        values = f"{change.old or 'none'} -> {change.new or 'none'}" if change.old or change.new else ""
        line = f"{change.kind:<8} {change.provider:<14} {change.model:<44} {change.price:<20} {values}"
        click.echo(line.rstrip())
