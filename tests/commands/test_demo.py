"""`heliograph demo`, before it starts anything."""

from pathlib import Path

from click.testing import CliRunner

from addon.commands.demo import demo
from tests.analysis.writing import made_up_rows, settle, to_parquet


def test_made_up_calls_are_not_mixed_into_a_folder_that_has_calls(tmp_path: Path) -> None:
    for place, write in (("settled", settle), ("parquet", to_parquet)):
        write(tmp_path / place, made_up_rows(5), 1)
        done = CliRunner().invoke(demo, ["--data", str(tmp_path / place)])
        assert done.exit_code == 1
        assert f"{tmp_path / place} has calls already" in done.output
