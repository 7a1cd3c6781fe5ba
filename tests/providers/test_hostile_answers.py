"""Answers that no provider should send are rows; `python -m scripts.fuzz_answers` looks for more of them at random."""

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addon.metering.price import PriceList
from addon.providers.fields import parse
from addon.settling.rows import make_rows
from addon.settling.settled_files import row_fields
from analysis.message_texts import parts_text
from scripts.fuzz_answers import PRICES, answer, cases, dumped, operations, tried
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


REQUESTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                (
                    *("model", "previous_response_id", "previous_interaction_id", "conversation", "client_metadata"),
                    *("id", "session_id", "x-openai-subagent", "metadata", "user_id", "user", "stream", "messages"),
                )
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@given(request=REQUESTS, seed=st.integers(0, 10_000))
@settings(max_examples=200, deadline=None)
def test_no_request_makes_settling_fail(request: Any, seed: int) -> None:
    """Its session, its chain, its agent and its messages are read, whatever it names."""
    call = replace(answer(random.Random(seed)), request=dumped(request))
    row, bodies = make_rows(call, PRICES)
    row_fields(row), row_fields(bodies)
    said = {
        name: getattr(row, name) for name in ("provider_name", "operation_name", "method", "host", "path", "status")
    }
    for text in parts_text(dumped(said).decode(), bodies.request_body, bodies.response_body):
        assert isinstance(parse(text), dict)


def test_what_is_made_up_gets_to_most_readers() -> None:
    made = [answer(random.Random(seed)) for seed in range(1000)]
    providers = {call.start.provider_name for call in made}
    assert len(providers) > 25
    assert len(cases()) > 300 and len(operations()) > 100
