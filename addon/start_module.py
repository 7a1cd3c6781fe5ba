"""How to start a module of ours as a process, wherever this package was found (`mitmdump -s` leaves it off sys.path); and
how such a process tells its starter something."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_HOME: Final = Path(__file__).resolve().parents[1]  # the folder in which `addon` and `analysis` are found


def module_command(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", module, *arguments]


def module_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Our variables, with `more` added, and with our own folder first on the path."""
    paths = (str(_HOME), os.environ.get("PYTHONPATH"))
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))} | dict(more or {})


def tell_starter(data: bytes, target: int = 1) -> None:
    """Writes all of it to the pipe that the starter reads. Where the starter has gone nobody wants it: this process ends."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(target, view) :]
    except BrokenPipeError:
        sys.exit(0)
