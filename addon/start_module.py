"""How to start a module of ours as a process, wherever this package was found (`mitmdump -s` leaves it off sys.path)."""

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
