"""What a real Spark reads in the lake of the fleet: the same rows as DuckDB, by the views that `report --engine spark` makes.

Without Maven there is no hadoop-aws, so Spark cannot open the bucket. It reads a copy on this disk of the files that the bucket's
manifests name, and of no others.
"""

from pathlib import Path
from typing import Any, Final

from addon.config.places import data_folder
from addon.storage.folders import make_folder
from analysis.bucket import BucketFile
from analysis.engines.asking import Spark
from analysis.engines.spark_session import Session
from analysis.lake import Lake
from analysis.reports.scope import Scope
from analysis.reports.window import EVER

MASTER: Final = "local[2]"


def rows_in_spark(lake: str, copy: Path, sql: str) -> list[dict[str, Any]]:
    """The answer of Spark to SQL over the view `requests`. `copy`: a folder that is made. Raises NoSpark, whose message says what
    is missing, and SparkFailed."""
    session = Session(MASTER)
    try:
        copied(lake, "requests", copy)
        rows: list[dict[str, Any]] = Spark(session, Lake(copy)).rows(sql, Scope(EVER)).to_pylist()
        return rows
    finally:
        session.close()


def copied(lake: str, table: str, copy: Path) -> int:
    """Copies the files of a table that count in a bucket into a data folder. Returns how many."""
    files = Lake(data_folder(lake)).files()[table].parquet
    for file in files:
        assert isinstance(file, BucketFile)
        target = copy / "lake" / table / file.parent.name / file.name
        make_folder(target.parent)
        target.write_bytes(file.bucket.read(str(file), 0, file.stat().st_size))
        target.chmod(0o600)
    return len(files)
