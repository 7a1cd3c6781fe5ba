"""`heliograph demo`: the product on made-up calls, without a key or a network."""

import os
import shlex
import shutil
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from addon.commands.options import Failure, examples
from addon.config.places import data_folder

NEXT: Final = ("dashboard", "report costs --by day", "report sessions")  # what to type after it
PROVIDERS: Final = ("openai", "anthropic", "groq")
SETTINGS: Final = Path(__file__).parents[1] / "demo" / "heliograph.toml"


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
    """See it work: built-in providers, a few hundred varied calls, what they cost. No key, no network."""
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
    """Makes the calls, prints what they cost. Without `data` in a new temporary folder, which stays."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from addon.commands.report import print_report
    from addon.config.settings import load
    from addon.config.upstreams import origin_of
    from addon.demo.load import run_load
    from addon.demo.providers import FakeProviders
    from addon.demo.ratings import rate
    from addon.demo.spread import DAYS, spread
    from addon.serve import ProxyThread
    from analysis.reports.reading import read_question
    from analysis.reports.zone import UTC_ZONE

    data = data or Path(tempfile.mkdtemp(prefix="heliograph-demo-"))
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    config, text = data / SETTINGS.name, SETTINGS.read_text(encoding="utf-8")
    has_own = config.exists()
    if not has_own:
        # Budgets and alerts come afterwards: they judge the calls at the times that these are moved to.
        config.write_text(text[: text.index("[[budgets]]")], encoding="utf-8")
    click.echo("Starting made-up providers and the proxy; no call leaves this machine.", err=True)
    with FakeProviders(keep_requests=False) as providers:
        origin = origin_of(providers.url)
        settings = replace(load(data), upstreams=dict.fromkeys(PROVIDERS, origin))
        with ProxyThread(settings) as thread:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            with Progress(*columns, console=Console(stderr=True)) as progress:
                task = progress.add_task(f"{calls} calls through {thread.url}", total=calls)
                run_load(thread.url, calls, lambda done: progress.update(task, completed=done))
    spread(data)
    rate(data)
    if not has_own:
        config.write_text(text, encoding="utf-8")
    print_report(read_question("costs", now=datetime.now(UTC), zone=UTC_ZONE, by="model"), data)
    heliograph = "heliograph" if shutil.which("heliograph") else shlex.quote(os.path.relpath(sys.argv[0]))
    folder = shlex.quote(str(data))
    lines = [f"  {heliograph} {command} --data {folder}" for command in NEXT]
    click.echo(
        f"\nThe calls were made just now and priced at today's prices; their times are made up: spread over {DAYS} days.\n"
        f"They are Parquet files in {data}. Next:\n"
        + "\n".join([*lines, f"  {heliograph} run -- python your_program.py"]),
        err=True,
    )
