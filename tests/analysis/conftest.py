"""One data folder for all tests that only read it."""

from pathlib import Path

import pytest

from addon.storage.record import RequestRow
from tests.analysis.writing import made_up_rows, settle, to_parquet


@pytest.fixture(scope="session")
def rows() -> list[RequestRow]:
    """What is in `data`, in order of time."""
    return made_up_rows()


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory, rows: list[RequestRow]) -> Path:
    """Two days: three Parquet files, two segments settled, one of them being written (a torn tail)."""
    data = tmp_path_factory.mktemp("data")
    to_parquet(data, rows[:150], 1)
    to_parquet(data, rows[150:250], 2)
    settle(data, rows[250:330], 3)
    settle(data, rows[330:], 4)
    newest = max((data / "settled" / "requests").iterdir())
    newest.write_bytes(newest.read_bytes() + b'{"request_id": "torn", "started_')
    return data
