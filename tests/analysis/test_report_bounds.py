"""A report that never ends is stopped, in clear words."""

from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from addon.commands.report_answers import ask
from analysis.lake import Lake
from analysis.reports.reading import read_question
from analysis.reports.zone import zone_of
from tests.analysis.writing import made_up_rows, to_parquet

ENDLESS = "(with recursive n as (select 1 as x union all select x + 1 from n) select sum(x) from n) > 0"


def test_a_condition_that_never_ends_is_wrong_usage_after_a_while(tmp_path: Path) -> None:
    to_parquet(tmp_path, made_up_rows(20), 1)
    question = read_question(
        "costs", now=datetime(2026, 11, 22, tzinfo=UTC), zone=zone_of("UTC"), since="2026-11-01", where=ENDLESS
    )
    with pytest.raises(click.UsageError, match=r"took more than 0\.5 s and was stopped; take less time") as stopped:
        ask(Lake(tmp_path), question, tmp_path, most_s=0.5)
    assert stopped.value.exit_code == 2
