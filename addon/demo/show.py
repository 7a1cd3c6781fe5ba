"""`heliograph demo`: the main job on built-in providers, start to end."""

import os
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from addon.config.settings import Settings, origin_of
from addon.demo.load import run_load
from addon.demo.providers import FakeProviders
from addon.serve import ProxyThread

# The reports to show, and how many rows of each.
REPORTS = {"sessions": 5, "properties": 10, "latency": 8, "errors": 10, "users": 10, "models": 20}


def show(calls: int, data: Path | None = None) -> None:
    """Makes the calls, prints the reports. Without `data` in a new temporary folder, which stays."""
    from analysis.commands import print_report

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
