"""Reports for scripts and notebooks, as rows, Arrow, pandas or Polars. `analysis/__init__.py` is the way in."""

import importlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow

from addon.config.places import data_folder
from addon.config.settings import ConfigError, load_what_can_be_read
from addon.metering.overrides import PriceOverride
from addon.settling.process import settle_leftovers
from addon.storage.folders import NotOurs
from analysis.lake import Connection, Lake
from analysis.reports.asking import answer_as_arrow
from analysis.reports.question import Question
from analysis.reports.reading import read_question
from analysis.reports.scope import Scope, open_scope
from analysis.reports.shelf import read_shelf
from analysis.reports.window import parse_window
from analysis.reports.zone import zone_of

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]
    import polars as pl

type Folder = str | PathLike[str] | None


@dataclass(frozen=True, slots=True)
class Answer:
    """The rows of a report. Times are UTC; NULL is None in `rows`, and what each library has for it elsewhere."""

    question: Question
    table: pyarrow.Table

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.table.column_names)

    @property
    def rows(self) -> Sequence[tuple[Any, ...]]:
        values = [column.to_pylist(maps_as_pydicts="strict") for column in self.table.columns]
        return list(zip(*values, strict=True))

    def arrow(self) -> pyarrow.Table:
        return self.table

    def pandas(self) -> "pd.DataFrame":
        """Raises ImportError that says what to install."""
        _library("pandas")
        frame: pd.DataFrame = self.table.to_pandas()
        return frame

    def polars(self) -> "pl.DataFrame":
        """Raises ImportError that says what to install."""
        frame: pl.DataFrame = _library("polars").from_arrow(self.table)
        return frame


def connect(data: Folder) -> Connection:
    """See `analysis.connect`."""
    connection = Lake(_folder(data)).connect()
    open_scope(connection, Scope(parse_window(None, None, datetime.now(UTC))))
    return connection


def report(name: str, *, tz: str | None, data: Folder, sql_dir: Folder, limit: int, **options: str | None) -> Answer:
    """See `analysis.report`."""
    folder = _folder(data)
    shelf = read_shelf(folder, Path(sql_dir) if sql_dir else None)
    question = read_question(name, shelf=shelf, now=datetime.now(UTC), zone=zone_of(tz), limit=limit, **options)

    own_prices = _settled(folder)

    return Answer(question, Lake(folder).ask(lambda connection: answer_as_arrow(connection, question, own_prices)))


def _settled(data: Path) -> tuple[PriceOverride, ...]:
    """Settles what a killed proxy left, as the command does, and returns the folder's own prices. Warns of what it cannot read."""
    settings, problems = load_what_can_be_read(data)
    for problem in problems:
        warnings.warn(problem.text, stacklevel=4)
    try:
        settle_leftovers(data)
    except ConfigError:
        warnings.warn("calls that a stopped proxy left are missing until the settings are mended", stacklevel=4)
    except NotOurs:
        raise
    except OSError as error:
        warnings.warn(f"{data}: calls that a stopped proxy left cannot be settled: {error}", stacklevel=4)
    return settings.prices


def _folder(data: Folder) -> Path:
    return data_folder(Path(data) if data is not None else None)


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"{name} is not installed here; install it ({name}), or take .arrow() or .rows") from error
