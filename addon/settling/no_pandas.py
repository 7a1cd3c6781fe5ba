"""Keeps pandas out of a process: pyarrow imports it with the first array that it makes, where it is installed.

That is half of a settler's start and 50 MB, for conversions that it does not need. pyarrow and DuckDB do without pandas.
"""

import sys
from collections.abc import Sequence


class _NoPandas:
    """A finder of modules (`sys.meta_path`), to be asked before all others."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: object = None) -> None:
        """Raises ModuleNotFoundError for pandas, as where it is not installed. None: the next finder is asked."""
        if name == "pandas":
            raise ModuleNotFoundError("pandas is kept out of this process", name=name)


def import_no_pandas() -> None:
    sys.meta_path.insert(0, _NoPandas)
