"""Columns that do not exist: what the message adds."""

from pathlib import Path

import duckdb
import pytest

from addon.storage.lake import duckdb_columns
from addon.storage.record import TABLES
from analysis.column_hints import _COLUMNS, MEANT, with_hint
from analysis.lake import connect


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("select model from requests", '"model" is here: request_model, response_model'),
        ("select r.Model from requests r", '"Model" is here: request_model, response_model'),
        ("select sum(cost) from requests", '"cost" is here: cost_usd'),
        ("select prompt_tokens from requests", '"prompt_tokens" is here: input_tokens'),
        ("from requests where requst_model = 'x'", '"requst_model" is here: request_model'),
    ],
)
def test_a_wrong_column_is_told_with_the_right_one(tmp_path: Path, sql: str, says: str) -> None:
    with connect(tmp_path) as connection, pytest.raises(duckdb.Error) as failed:
        connection.execute(sql)
    assert with_hint(str(failed.value)).endswith(says)


@pytest.mark.parametrize("sql", ["select zzz from requests", "select * from request", "selec 1"])
def test_other_messages_stay_as_they_are(tmp_path: Path, sql: str) -> None:
    with connect(tmp_path) as connection, pytest.raises(duckdb.Error) as failed:
        connection.execute(sql)
    assert with_hint(str(failed.value)) == str(failed.value)


def test_every_column_that_is_suggested_exists() -> None:
    columns = {name for table in TABLES for name in duckdb_columns(table)} | {"cost_usd", "date", "saved_usd"}
    plain = {name for meant in MEANT.values() if " of " not in meant and "[" not in meant for name in meant.split(", ")}
    assert plain | set(_COLUMNS) <= columns
    assert not set(duckdb_columns("requests")) & set(MEANT)
