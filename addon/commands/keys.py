"""`heliograph keys add`, `keys list` and `keys remove`."""

import json
import os
from pathlib import Path

import click

from addon.commands.files import replace_file
from addon.commands.options import Failure, data_options, examples
from addon.config.keys import ROLES, Key, is_name, new_key, section, without_section
from addon.config.mistakes import did_you_mean
from addon.config.places import CONFIG_NAME
from addon.config.remote_copy import source_of
from addon.config.settings import ConfigError, load


@click.group(
    short_help="Manage the keys of the proxy and its endpoints.",
    epilog=examples("heliograph keys add ci --role write", "heliograph keys list"),
)
def keys() -> None:
    """Manage the keys of the proxy and its endpoints. Without keys, every program on this machine may use them."""


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
    path = _own_file(config) or data / CONFIG_NAME
    if name in {key.name for key in _settings_keys(data, config)}:
        raise Failure(f"{path} has a key {name} already; `heliograph keys remove {name}` removes it")
    key = new_key()
    try:
        _append(path, section(name, key, roles or ROLES))
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from error
    click.echo(key)
    click.echo(
        f"heliograph: this is the only time the key is shown; {path} has its hash. A running proxy knows it within two seconds; then calls need\n"
        f"Helicone-Auth: Bearer KEY (or HTTPS_PROXY=http://NAME:KEY@HOST:PORT), endpoints Authorization: Bearer KEY.",
        err=True,
    )


@keys.command(
    name="list",
    short_help="List the keys.",
    epilog=examples("heliograph keys list", "heliograph keys list --json"),
)
@click.option("--json", "as_json", is_flag=True, help="One array of objects.")
@data_options
def list_keys(as_json: bool, data: Path, config: Path | None) -> None:
    """The names of the keys and what they may do. The keys themselves are not kept."""
    found = [(key.name, [role for role in ROLES if role in key.roles]) for key in _settings_keys(data, config)]
    if as_json:
        click.echo(json.dumps([{"name": name, "roles": roles} for name, roles in found]))
        return
    for name, roles in found:
        click.echo(f"{name:<20}  {', '.join(roles)}")
    if not found:
        click.echo(
            f"heliograph: {config or data / CONFIG_NAME} has no keys: every program on this machine may call;"
            " `heliograph keys add NAME` makes one",
            err=True,
        )


@keys.command(
    short_help="Remove a key.",
    epilog=examples("heliograph keys remove laptop", "heliograph keys remove ci --data ./data"),
)
@click.argument("name")
@data_options
def remove(name: str, data: Path, config: Path | None) -> None:
    """Remove a key from the settings file. A running proxy refuses it within two seconds."""
    path = _own_file(config) or data / CONFIG_NAME
    names = [key.name for key in _settings_keys(data, config)]
    if name not in names:
        known = f"there are {', '.join(names)}" if names else "there are none; `heliograph keys add NAME` makes one"
        raise click.UsageError(f"{path} has no key {name!r}{did_you_mean(name, names)}; {known}")
    try:
        replace_file(path, without_section(path.read_bytes(), name))
    except ValueError as error:
        raise Failure(f"{path}: {error}: it is written in another way; remove it by hand") from error
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from error
    left = "" if len(names) > 1 else "; it was the last one: every program on this machine may call now"
    click.echo(f"heliograph: the key {name} is removed from {path}{left}", err=True)


def _own_file(config: Path | None) -> Path | None:
    """Settings that have a URL cannot be changed from here."""
    source = source_of(config) if config else None
    if source:
        raise Failure(
            f"the settings are at {source.shown}; change your own file of them (--config FILE) and put it there."
            " Every proxy that reads them knows the change within a minute"
        )
    return config


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
