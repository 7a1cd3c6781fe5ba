"""`GET /metrics`: sums that are true, with labels from a bounded set."""

import platform
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from tests.analysis.writing import made_up_rows, settle
from tests.api.conftest import serving


def test_models_beyond_the_first_hundred_are_other_and_no_call_is_lost(tmp_path: Path) -> None:
    (row,) = made_up_rows(1)
    rows = [
        replace(row, request_id=f"0199f000-0000-7000-8000-{n:012x}", request_model=f"m-{n}", response_model=None)
        for n in range(150)
    ]
    settle(tmp_path, rows, 1)
    with serving(tmp_path) as client:
        lines = client.http.get("/metrics").text.splitlines()
    calls = [line for line in lines if line.startswith("heliograph_calls_total{")]
    assert len(calls) == 101
    assert sum(float(line.rpartition(" ")[2]) for line in calls) == 150
    assert any('model="other"' in line and line.endswith(" 50.0") for line in calls)


def test_calls_without_a_price_are_counted_and_have_no_cost(tmp_path: Path) -> None:
    (row,) = made_up_rows(1)
    settle(tmp_path, [replace(row, response_model="acme-1", cost_nanousd=None)], 1)
    with serving(tmp_path) as client:
        text = client.http.get("/metrics").text
    assert 'heliograph_unpriced_calls_total{model="acme-1"' in text
    assert "heliograph_cost_usd_total{" not in text


def test_scrapes_of_several_machines_and_versions_can_be_told_apart(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        text = client.http.get("/metrics").text
    (line,) = [line for line in text.splitlines() if line.startswith("heliograph_info{")]
    assert line == f'heliograph_info{{machine="{platform.node()}",version="{version("heliograph")}"}} 1.0'
