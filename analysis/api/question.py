"""The API's questions: one file in `sql/` each; its first comment is the question.

A name in braces stands for SQL out of this package's own tables. What a caller sent is bound, never pasted in.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from analysis.lake import Connection
from analysis.table import fetch


@cache
def load(name: str) -> str:
    """The question's SQL without its comments: a piece of several lines would begin in one and end outside."""
    sql = (Path(__file__).parent / "sql" / f"{name}.sql").read_text(encoding="utf-8")
    return re.sub(r"^--.*\n", "", sql, flags=re.MULTILINE)


def fill(name: str, **pieces: str) -> str:
    """The question's SQL with its pieces in place."""
    sql = load(name)
    for piece, text in pieces.items():
        sql = sql.replace(f"{{{piece}}}", text)
    return sql


def records(
    connection: Connection, name: str, parameters: Mapping[str, object] | None = None, **pieces: str
) -> list[dict[str, Any]]:
    """The answer, one dict a row. Parameters that the question does not name are left out."""
    return list(fetch(connection, fill(name, **pieces), parameters).records())
