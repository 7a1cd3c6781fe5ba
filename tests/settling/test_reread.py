"""Each recorded answer of each provider, stored as a row and its bodies and read again: nothing changes, and nothing is lost."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from addon.metering.price import PriceList
from addon.settling.reprice import repriced
from addon.settling.reread import rebuilt
from addon.settling.rows import bare_rows, make_rows
from tests.providers.cases.reading import FILES, FOLDER, Case, read_case

PRICES = PriceList()
NAMES = [str(file.relative_to(FOLDER)) for file in FILES]
NOW = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(params=FILES, ids=NAMES)
def case(request: pytest.FixtureRequest) -> Case:
    assert isinstance(request.param, Path)
    return read_case(request.param)


def test_a_row_that_is_priced_again_stays_as_it_is(case: Case) -> None:
    row, body = make_rows(case.call(), PRICES)
    outcome = repriced(row, lambda: make_rows(rebuilt(row, body), PRICES)[0], PRICES, NOW)
    assert outcome.row == row


def test_a_call_that_was_not_read_gets_its_cost(case: Case) -> None:
    call = case.call()
    row, _ = make_rows(call, PRICES)
    unread, body = bare_rows(call, "heliograph_ValueError")
    if body.response_body is None or row.response_model is None or not row.cost_nanousd:
        pytest.skip("an answer without a body, a model or a cost")
    headers = {"content-type": case.told["answer"].get("content_type") or "application/json"}
    body = replace(body, response_headers=headers | body.response_headers)
    again = repriced(unread, lambda: make_rows(rebuilt(unread, body), PRICES)[0], PRICES, NOW).row
    assert (again.cost_nanousd, again.input_tokens, again.output_tokens) == (
        row.cost_nanousd,
        row.input_tokens,
        row.output_tokens,
    )
