"""Where a prompt's beginning changed and what that cost, on sessions small enough to count by hand."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from addon.metering.price import PriceList
from addon.providers.model import Usage
from addon.storage.record import RequestRow
from analysis.reports.prompt_losses import lost_usd, read_instead
from analysis.reports.prompt_turns import LEAST_TOKENS, Prompt, Turn, turns_of

BEGAN = datetime(2026, 11, 20, 9, tzinfo=UTC)
LOST_USD = partial(lost_usd, prices=PriceList())
# claude-sonnet-4-5: 3 USD a million tokens in, 0.30 read from the cache, 3.75 written to it for five minutes.
CLAUDE = RequestRow(
    request_id="",
    started_at=BEGAN,
    provider_name="anthropic",
    operation_name="chat",
    request_model="claude-sonnet-4-5",
    host="api.anthropic.com",
    path="/v1/messages",
    cost_nanousd=1,
)
# gpt-4o: 2.50 in, 1.25 read from the cache, nothing for writing to it.
GPT = replace(
    CLAUDE, provider_name="openai", host="api.openai.com", path="/v1/chat/completions", request_model="gpt-4o"
)
TOOL, SYSTEM, OTHER_SYSTEM = 1, 2, 3  # blocks; messages are 10, 11, 12, ...


def call(number: int, blocks: Sequence[int], row: RequestRow = CLAUDE, /, **usage: Any) -> Prompt:
    """The call `number`, a minute after the one before."""
    of_call = replace(
        row, request_id=f"call-{number}", started_at=BEGAN + timedelta(minutes=number), output_tokens=10, **usage
    )
    messages_from = next((index for index, block in enumerate(blocks) if block >= 10), len(blocks))
    return Prompt(of_call, blocks, [f"block {block}" for block in blocks], messages_from)


def turns(*prompts: Prompt) -> list[Turn]:
    return turns_of(prompts, LOST_USD)


def test_turns_that_only_add_messages_lose_nothing() -> None:
    found = turns(
        call(1, [TOOL, SYSTEM, 10], input_tokens=5000, cache_read_input_tokens=0, cache_creation_input_tokens=5000),
        call(2, [TOOL, SYSTEM, 10, 11, 12], input_tokens=6000, cache_read_input_tokens=5000),
    )
    assert [(turn.number, turn.before_id, turn.idle_s) for turn in found] == [(2, "call-1", 60.0)]
    assert [(turn.changed_at, turn.lost_tokens, turn.lost_usd) for turn in found] == [(None, 0, 0.0)]


def test_a_changed_system_prompt_loses_all_that_the_turn_before_sent() -> None:
    (turn,) = turns(
        call(1, [TOOL, SYSTEM, 10], input_tokens=10_000, cache_read_input_tokens=0, cache_creation_input_tokens=10_000),
        call(
            2,
            [TOOL, OTHER_SYSTEM, 10, 11],
            input_tokens=12_000,
            cache_read_input_tokens=0,
            cache_creation_input_tokens=12_000,
        ),
    )
    # 10,000 tokens written once more at 3.75 that could have been read at 0.30: 10,000 x 3.45 / 1,000,000
    assert (turn.changed_at, turn.changed_block, turn.lost_tokens) == ("block 3", 1, 10_000)
    assert turn.lost_usd == pytest.approx(0.0345, abs=1e-12)


def test_what_was_read_before_the_change_is_not_lost() -> None:
    (turn,) = turns(
        call(1, [TOOL, 10, 11, 12], GPT, input_tokens=4000, cache_read_input_tokens=0),
        call(2, [TOOL, 10, 11, 20, 13], GPT, input_tokens=5000, cache_read_input_tokens=1024),
    )
    # 4,000 - 1,024 = 2,976 tokens at 2.50 in place of 1.25: 2,976 x 1.25 / 1,000,000
    assert (turn.changed_at, turn.lost_tokens) == ("block 20", 2976)
    assert turn.lost_usd == pytest.approx(0.00372, abs=1e-12)


def test_an_unchanged_beginning_that_is_not_read_is_lost_without_a_change() -> None:
    (turn,) = turns(
        call(1, [10], GPT, input_tokens=4000, cache_read_input_tokens=0),
        call(30, [10, 11], GPT, input_tokens=5000, cache_read_input_tokens=0),
    )
    assert (turn.changed_at, turn.lost_tokens, turn.idle_s) == (None, 4000, 29 * 60.0)
    assert turn.lost_usd == pytest.approx(0.005, abs=1e-12)  # 4,000 x 1.25 / 1,000,000


def test_a_message_that_is_left_out_is_a_change() -> None:
    (turn,) = turns(
        call(1, [10, 11, 12], GPT, input_tokens=4000, cache_read_input_tokens=0),
        call(2, [10, 11], GPT, input_tokens=3000, cache_read_input_tokens=0),
    )
    assert (turn.changed_at, turn.lost_tokens) == ("block 12 left out", 3000)  # no more than it sent itself


def test_prompts_that_no_provider_caches_lose_nothing() -> None:
    (turn,) = turns(
        call(1, [10, 11], GPT, input_tokens=LEAST_TOKENS - 1, cache_read_input_tokens=0),
        call(2, [10, 20], GPT, input_tokens=5000, cache_read_input_tokens=0),
    )
    assert (turn.changed_at, turn.lost_tokens, turn.lost_usd) == ("block 20", 0, 0.0)


def test_a_sub_agent_goes_on_from_its_own_calls() -> None:
    main, sub = [TOOL, SYSTEM, 10], [TOOL, OTHER_SYSTEM, 30]
    usage = {"input_tokens": 5000, "cache_read_input_tokens": 5000}
    found = turns(
        call(1, main, **usage),
        call(2, sub, **usage),
        call(3, [*main, 11], **usage),
        call(4, [*sub, 31], **usage),
    )
    assert [(turn.request_id, turn.before_id, turn.changed_at) for turn in found] == [
        ("call-3", "call-1", None),
        ("call-4", "call-2", None),
    ]


def test_another_conversation_or_model_is_not_a_change() -> None:
    usage = {"input_tokens": 5000, "cache_read_input_tokens": 0}
    other_model = replace(GPT, request_model="gpt-4o-mini")
    assert turns(call(1, [TOOL, SYSTEM, 10], **usage), call(2, [TOOL, SYSTEM, 20], **usage)) == []
    assert turns(call(1, [10], GPT, **usage), call(2, [10, 11], other_model, **usage)) == []


def test_a_call_whose_body_was_not_kept_is_passed_over() -> None:
    usage = {"input_tokens": 5000, "cache_read_input_tokens": 5000}
    unknown = replace(call(2, [], **usage), blocks=None)
    (turn,) = turns(call(1, [10], **usage), unknown, call(3, [10, 11], **usage))
    assert (turn.number, turn.before_id) == (3, "call-1")


@pytest.mark.parametrize(
    ("row", "usage", "lost_tokens"),
    [
        (replace(GPT, cost_nanousd=None), {"cache_read_input_tokens": 0}, 4000),
        (replace(GPT, cost_source="provider"), {"cache_read_input_tokens": 0}, 4000),
        (GPT, {"cache_read_input_tokens": None}, None),
    ],
    ids=["no price", "a cost that the provider states as a whole", "reads not stated"],
)
def test_what_is_not_known_is_none(row: RequestRow, usage: dict[str, int | None], lost_tokens: int | None) -> None:
    (turn,) = turns(call(1, [10, 11], row, input_tokens=4000), call(2, [10, 20], row, input_tokens=5000, **usage))
    assert (turn.changed_at, turn.lost_tokens, turn.lost_usd) == ("block 20", lost_tokens, None)


def test_tokens_read_instead_are_taken_from_those_written_then_from_the_plain_ones() -> None:
    usage = Usage(
        input_tokens=100,
        cache_read_input_tokens=10,
        cache_creation_input_tokens=60,
        cache_creation_1h_input_tokens=50,
    )
    assert read_instead(usage, 40) == replace(
        usage, cache_read_input_tokens=50, cache_creation_input_tokens=20, cache_creation_1h_input_tokens=20
    )
    assert read_instead(usage, 80) == replace(
        usage, cache_read_input_tokens=90, cache_creation_input_tokens=0, cache_creation_1h_input_tokens=0
    )
    assert read_instead(Usage(input_tokens=100), 40) == Usage(input_tokens=100, cache_read_input_tokens=40)
