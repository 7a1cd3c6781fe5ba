"""The data folder of the tests of reports."""

from tests.analysis.conftest import data, rows

__all__ = ["data", "rows"]
