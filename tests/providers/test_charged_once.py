"""Work that several calls may state names itself, so that only the first of them is charged."""

from pathlib import Path

import pytest

from addon.metering.price import PriceList
from addon.settling.rows import make_rows
from tests.providers.cases.reading import FOLDER, read_case

PRICES = PriceList()


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
    call = read_case(Path(FOLDER / f"{case}.toml")).call()
    named: list[str] = []

    def was_charged(name: str, _request_id: str) -> bool:
        named.append(name)
        return False

    row, _ = make_rows(call, PRICES, was_charged)
    assert len(named) == 1
    assert named[0].startswith(work)
    assert (row.cost_nanousd, row.cost_source, row.input_tokens) == (0, "free", None)
