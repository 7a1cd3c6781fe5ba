"""`heliograph demo`: the product on made-up calls, without a key or a network."""

import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

import click

from addon.commands.options import Failure, examples
from addon.config.settings import data_folder

# The reports to show, and how many rows of each.
REPORTS: Final = {"sessions": 5, "properties": 10, "latency": 8, "errors": 10, "users": 10, "models": 20}


@click.command(
    short_help="See it work: no key, no network.", epilog=examples("heliograph demo", "heliograph demo --calls 1000")
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the demo's calls. Default: a new one among the temporary files, never that of your own calls.",
)
@click.option("--calls", default=300, show_default=True, type=click.IntRange(min=1), help="How many calls to make.")
def demo(data: Path | None, calls: int) -> None:
    """See it work: built-in providers, a few hundred varied calls, the reports. No key, no network."""
    if data and _has_calls(folder := data_folder(data)):
        raise Failure(
            f"{folder} has calls already: made-up ones would mix with them; name a new folder, or leave --data out"
        )
    show(calls, data_folder(data) if data else None)


def _has_calls(data: Path) -> bool:
    """Whether there are files with calls, settled or not."""
    patterns = ("journal/*.jsonl", "settled/**/*.jsonl", "lake/**/*.parquet")
    return any(True for pattern in patterns for _ in data.glob(pattern))


def show(calls: int, data: Path | None = None) -> None:
    """Makes the calls, prints the reports. Without `data` in a new temporary folder, which stays."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from addon.commands.reports import print_report
    from addon.config.settings import Settings, origin_of
    from addon.demo.load import run_load
    from addon.demo.providers import FakeProviders
    from addon.serve import ProxyThread

    data = data or Path(tempfile.mkdtemp(prefix="heliograph-demo-"))
    click.echo("Starting made-up providers and the proxy; no call leaves this machine.", err=True)
    with FakeProviders(keep_requests=False) as providers:
        origin = origin_of(providers.url)
        settings = Settings(
            data=data, config=data / "heliograph.toml", upstreams={"openai": origin, "anthropic": origin}
        )
        with ProxyThread(settings) as thread:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            with Progress(*columns, console=Console(stderr=True)) as progress:
                task = progress.add_task(f"{calls} calls through {thread.url}", total=calls)
                run_load(thread.url, calls, lambda done: progress.update(task, completed=done))
    for name, limit in REPORTS.items():
        print_report(name, data, limit=limit, with_footer=name == list(REPORTS)[-1])
    heliograph = "heliograph" if shutil.which("heliograph") else shlex.quote(os.path.relpath(sys.argv[0]))
    folder = shlex.quote(str(data))
    click.echo(
        f"\nThe data is in {data}: Parquet, yours to ask. For example:\n"
        f'  {heliograph} sql --data {folder} "select response_model, sum(cost_usd) from requests group by all"\n'
        f"  {heliograph} report requests --data {folder}\n"
        f"Now your own calls:  {heliograph} run -- python your_program.py",
        err=True,
    )
