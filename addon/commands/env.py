"""`heliograph env`: the variables that send a shell through the proxy."""

import os
import socket
from pathlib import Path

import click

from addon.commands import environment
from addon.commands.options import data_options, examples, listen_option, project_option, unwritable


@click.command(
    short_help="Print the variables that send a shell through the proxy.",
    epilog=examples(
        'eval "$(heliograph env)"', 'eval "$(heliograph env --project shop)"', 'eval "$(heliograph env --unset)"'
    ),
)
@data_options
@listen_option("Where the proxy listens.")
@project_option
@click.option("--key", envvar="HELIOGRAPH_KEY", metavar="KEY", help="A key of the proxy, where it has keys.")
@click.option("--unset", is_flag=True, help="Print the lines that undo it instead.")
def env(
    data: Path, config: Path | None, listen: tuple[str, int], project: str | None, key: str | None, unset: bool
) -> None:
    """Print the variables that send this shell's programs through the proxy."""
    from addon.config import trust
    from addon.config.proxy_url import is_label

    if key is not None and not is_label(key):
        raise click.UsageError("--key: this is not a key; `heliograph keys add NAME` makes one")
    url = environment.proxy_url(*listen, project or environment.project_name(Path.cwd()), key)
    if unset:
        values = environment.variables(url, trust.bundle_path(data), os.environ)
        click.echo("\n".join(environment.unset_lines(values, os.environ)))
        return
    try:
        bundle = trust.write_bundle(data, os.environ)
    except OSError as error:
        raise unwritable(data, error) from error
    click.echo("\n".join(environment.export_lines(environment.variables(url, bundle, os.environ), os.environ)))
    if not _answers(listen):
        click.echo(
            f"heliograph: nothing listens on {listen[0]}:{listen[1]} yet; start `heliograph up`, or every program of this shell "
            'will fail to connect. To undo: eval "$(heliograph env --unset)"',
            err=True,
        )


def _answers(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=0.5).close()
    except OSError:
        return False
    return True
