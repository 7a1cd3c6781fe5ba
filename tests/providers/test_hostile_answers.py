"""Answers that no provider should send are rows; `python -m scripts.fuzz_answers` looks for more of them at random."""

import random

import pytest

from addon.metering.price import PriceList
from addon.settling.rows import make_rows
from scripts.fuzz_answers import answer, cases, operations, tried
from tests.providers.cases.reading import FOLDER, read_case


@pytest.mark.parametrize("block", range(4))
def test_answers_that_are_wrong_in_some_way_are_rows_and_read_the_same_at_every_split(block: int) -> None:
    for seed in range(block * 250, block * 250 + 250):
        tried(random.Random(seed))


def test_a_status_that_is_not_a_word_is_read() -> None:
    """An unhashable value once stopped the reader of Perplexity's asynchronous answers."""
    (case,) = (read_case(path) for path in sorted((FOLDER / "perplexity").glob("*async*.toml"))[:1])
    call = case.call()
    call = type(call)(call_id="a", start=call.start, end=call.end, request=b"{}", response=b'{"status": {"x": []}}')
    row, _ = make_rows(call, PriceList())
    assert row.cost_nanousd is None


def test_what_is_made_up_gets_to_most_readers() -> None:
    made = [answer(random.Random(seed)) for seed in range(1000)]
    providers = {call.start.provider_name for call in made}
    assert len(providers) > 25
    assert len(cases()) > 300 and len(operations()) > 100
