"""Sections of a settings file, read as the product reads them."""

from pathlib import Path
from typing import Any

from addon.config.read import read_table

FILE = Path("heliograph.toml")


def section(name: str, tables: Any, field: str = "") -> Any:
    """What one section means: the field of Settings that has its name. Raises ValueError with all mistakes."""
    fields, problems = read_table(FILE, {name: tables}, None)
    if problems:
        raise ValueError("\n".join(problem.text for problem in problems))
    return fields[field or name]
