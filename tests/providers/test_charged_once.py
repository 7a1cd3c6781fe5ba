"""Work that several calls may state names itself, so that only the first of them is charged."""

import pytest

from addon.metering.price import PriceList
from addon.settling.rows import make_rows
from addon.storage.record import RequestRow
from tests.providers.cases.reading import FOLDER, read_case

PRICES = PriceList()


def fetched_again(case: str) -> tuple[RequestRow, list[str]]:
    """The row of work that another call was charged for, and the names by which it was asked whether it was."""
    named: list[str] = []

    def is_charged(name: str, _request_id: str) -> bool:
        named.append(name)
        return False

    row, _ = make_rows(read_case(FOLDER / f"{case}.toml").call(), PRICES, is_charged)
    return row, named


@pytest.mark.parametrize(
    ("case", "work"),
    [
        ("gemini/interactions_fetched", "gemini interaction int1"),
        ("perplexity/async_done", "perplexity async completion a1"),
        ("dashscope/task_done", "dashscope result /api/v1/tasks/t1"),
        ("xai/deferred_fetched", "xai result /v1/chat/deferred-completion/"),
    ],
)
def test_what_is_fetched_again_is_free(case: str, work: str) -> None:
    row, named = fetched_again(case)
    assert len(named) == 1
    assert named[0].startswith(work)
    assert (row.cost_nanousd, row.cost_source, row.input_tokens) == (0, "free", None)


@pytest.mark.parametrize(
    ("looked", "found"),
    [
        ("openai/responses_background", "openai/responses_retrieved"),
        ("openai/responses_background_stream_left_queued", "openai/responses_retrieved"),
        ("openai/responses_background_stream_left_midway", "openai/responses_retrieved"),
        ("openai/responses_retrieved_in_part", "openai/responses_retrieved"),
        ("openai/assistant_run_queued", "openai/assistant_run_fetched"),
        ("gemini/interactions_started", "gemini/interactions_fetched"),
        ("gemini/interactions_fetched_too_early", "gemini/interactions_fetched"),
        ("perplexity/async_started", "perplexity/async_done"),
        ("zai/chat_asked_for_later", "zai/chat_fetched_later"),
        ("cohere/embed_job_under_way", "cohere/embed_job_done"),
        ("cohere/batch_queued", "cohere/batch_done"),
        ("openai/eval_run_under_way", "openai/eval_run_done"),
    ],
)
def test_work_that_goes_on_is_counted_where_its_end_is_found(looked: str, found: str) -> None:
    """A look at unfinished work states no tokens; that of its end states what it used, and names it."""
    before, _ = make_rows(read_case(FOLDER / f"{looked}.toml").call(), PRICES)
    assert (before.input_tokens, before.output_tokens, before.usage_source) == (None, None, None)
    assert not before.cost_nanousd
    after, named = fetched_again(found)
    assert named
    assert after.cost_nanousd == 0
