"""`heliograph demo`: the product on made-up calls, without a key or a network."""

from pathlib import Path

import click

from addon.commands.options import examples
from addon.config.settings import data_folder


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
    from addon.demo.show import show

    show(calls, data_folder(data) if data else None)
