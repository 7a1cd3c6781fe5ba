"""`heliograph keys add` and `keys list`."""

import os
from pathlib import Path

import click

from addon.commands.options import Failure, data_options, examples
from addon.config.keys import ROLES, Key, is_name, new_key, section
from addon.config.settings import CONFIG_NAME, ConfigError, load


@click.group(
    short_help="Say who may use the proxy and its endpoints.",
    epilog=examples("heliograph keys add ci --role write", "heliograph keys list"),
)
def keys() -> None:
    """Say who may use the proxy and its endpoints. Without keys, every program on this machine may."""


@keys.command(
    short_help="Make a key.",
    epilog=examples("heliograph keys add laptop", "heliograph keys add grafana --role read"),
)
@click.argument("name")
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(ROLES),
    help="What it may do: proxy (send calls), write (feedback, scores, logs), read (questions). Repeatable. Default: all.",
)
@data_options
def add(name: str, roles: tuple[str, ...], data: Path, config: Path | None) -> None:
    """Make a key, print it once, and keep its hash in the settings file. From then on calls and endpoints need a key."""
    if not is_name(name):
        raise click.UsageError(f"{name!r}: use letters, digits, _ and - only, at most 64")
    path = config or data / CONFIG_NAME
    if name in {key.name for key in _settings_keys(data, config)}:
        raise Failure(f"{path} has a key {name} already; delete its section [keys.{name}] to make it anew")
    key = new_key()
    try:
        _append(path, section(name, key, roles or ROLES))
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from error
    click.echo(key)
    click.echo(
        f"heliograph: this is the only time the key is shown; {path} has its hash. Restart `heliograph up`; then calls need\n"
        f"Helicone-Auth: Bearer KEY (or HTTPS_PROXY=http://NAME:KEY@HOST:PORT), endpoints Authorization: Bearer KEY.",
        err=True,
    )


@keys.command(
    name="list",
    short_help="List the keys.",
    epilog=examples("heliograph keys list", "heliograph keys list --data ./data"),
)
@data_options
def list_keys(data: Path, config: Path | None) -> None:
    """The names of the keys and what they may do."""
    for key in _settings_keys(data, config):
        click.echo(f"{key.name:<20}  {', '.join(role for role in ROLES if role in key.roles)}")


def _settings_keys(data: Path, config: Path | None) -> tuple[Key, ...]:
    try:
        return load(data, config if config and config.exists() else None).keys
    except ConfigError as error:
        raise Failure(str(error)) from error


def _append(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
        file.write(f"\n{text}" if os.fstat(descriptor).st_size else text)
