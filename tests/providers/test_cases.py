"""Every case becomes its row, through the functions that settle real calls; its stream reads the same at every split."""

from itertools import pairwise
from pathlib import Path

import pytest

from addon.metering.explain import explain_row
from addon.metering.lines import nanousd, total_usd
from addon.metering.price import PriceList
from addon.metering.terminal import answer_framing, terminal_scanner
from addon.providers.framing.table import events
from addon.settling.rows import make_rows
from tests.providers.cases.reading import FILES, FOLDER, Case, read_case

PRICES = PriceList()
NAMES = [str(file.relative_to(FOLDER)) for file in FILES]


@pytest.fixture(params=FILES, ids=NAMES)
def case(request: pytest.FixtureRequest) -> Case:
    assert isinstance(request.param, Path)
    return read_case(request.param)


def test_a_case_becomes_its_row(case: Case) -> None:
    row, _ = make_rows(case.call(), PRICES)
    assert not row.error_type or not row.error_type.startswith("heliograph_")
    expected = case.told["expected"]
    found = {name: getattr(row, name) for name in expected}
    assert {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()} == {
        name: None if value == "null" else value for name, value in expected.items()
    }
    assert "cost_nanousd" in expected, "every case says what the call costs"
    if isinstance(expected["cost_nanousd"], int) and expected["cost_nanousd"]:
        assert {"price_source", "price_date", "arithmetic"} <= case.told.keys()


def test_the_lines_of_a_cost_add_up_to_it(case: Case) -> None:
    row, _ = make_rows(case.call(), PRICES)
    explained = explain_row(row, PRICES)
    assert nanousd(total_usd(explained.lines)) == (row.cost_nanousd or 0) or explained.reason
    assert explained.nanousd == row.cost_nanousd


def test_a_stream_reads_the_same_at_every_split(case: Case) -> None:
    framing = answer_framing(case.operation, case.told["answer"].get("content_type"))
    if framing.decoder is None:
        return
    body = case.response
    whole = events(framing, body)
    for step in (1, 2, 3, 7, 64, 1000):
        decoder = framing.decoder()
        found = [event for start in range(0, len(body), step) for event in decoder.feed(body[start : start + step])]
        assert found + decoder.end() == whole


def test_the_end_of_a_stream_is_seen_on_the_way(case: Case) -> None:
    answer = case.told["answer"]
    scanner = terminal_scanner(case.operation, answer.get("content_type"), None)
    terminal = case.operation.terminal
    if scanner is None or terminal is None or terminal.ends_with_bytes or answer.get("status", 200) >= 400:
        return
    seen = [scanner.feed(case.response[start:end]) for start, end in pairwise(range(0, len(case.response) + 7, 7))]
    assert seen[-1] == ("cut_at" not in case.told.get("delivery", {}))
