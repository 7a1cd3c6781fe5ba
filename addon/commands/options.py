"""What all commands share: the options for data and settings, and how a command fails."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from addon.config.settings import data_folder


class Failure(click.ClickException):
    """Something did not work: exit 1. Wrong usage is click.UsageError: exit 2."""

    exit_code = 1


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    data = click.option(
        "--data",
        type=click.Path(file_okay=False, path_type=Path),
        callback=lambda context, parameter, value: data_folder(value),
        help="Folder of the journal, the lake and the settings. Default: $HELIOGRAPH_DATA, else the user data folder.",
    )
    config = click.option(
        "--config",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Settings file. Default: heliograph.toml in the data folder.",
    )
    return data(config(command))
