import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addon.providers import anthropic, anthropic_usage
from addon.providers.framing.lines import LineScanner
from addon.providers.framing.sse import events
from addon.providers.model import Reading, Usage
from tests.providers.bodies import MESSAGE, message_stream, sse
from tests.providers.test_openai import odd_json

counts = st.integers(0, 10**7) | st.none()


def test_the_input_is_the_total_of_fresh_read_and_written_tokens() -> None:
    assert anthropic.read_json(MESSAGE) == Reading(
        response_model="claude-sonnet-4-5-20250929",
        response_id="msg_013Zva2CMHLNnjNjJKqJ2EF",
        finish_reasons=("end_turn",),
        usage=Usage(
            input_tokens=23_100,
            cache_read_input_tokens=20_000,
            cache_creation_input_tokens=3_000,
            cache_creation_1h_input_tokens=2_000,
            output_tokens=503,
            reasoning_output_tokens=400,
        ),
        usage_raw=MESSAGE["usage"],
        units={"web_searches": Decimal(1)},
        price_factors={"service_tier": "standard", "inference_geo": "not_available"},
        text="Hi! My name is Claude.",
    )


def test_a_streams_usage_is_replaced_by_its_delta_and_never_added() -> None:
    delta = {"output_tokens": 503, "input_tokens": None, "cache_read_input_tokens": 20_000}
    reading = anthropic.read_stream(events(sse(*message_stream(delta), named=True)))
    assert reading == Reading(
        response_model="claude-sonnet-4-5-20250929",
        response_id="msg_013Zva2CMHLNnjNjJKqJ2EF",
        finish_reasons=("end_turn",),
        usage=anthropic_usage.usage(MESSAGE["usage"]),
        usage_raw=MESSAGE["usage"],
        units={"web_searches": Decimal(1)},
        price_factors={"service_tier": "standard", "inference_geo": "not_available"},
        text="Hi! My name is Claude.",
        other_output="Name?",
    )


def test_a_delta_that_searched_more_replaces_that_count_alone() -> None:
    delta = {"output_tokens": 9, "server_tool_use": {"web_search_requests": 4}}
    reading = anthropic.read_stream(events(sse(*message_stream(delta))))
    assert reading.usage_raw["server_tool_use"] == {"web_search_requests": 4, "web_fetch_requests": 2}


def test_a_stream_that_was_cut_has_what_its_start_said() -> None:
    reading = anthropic.read_stream(events(sse(*message_stream({}, stop=False), named=True)))
    assert reading.usage and (reading.usage.input_tokens, reading.usage.output_tokens) == (23_100, 3)
    assert reading.finish_reasons == ()
    assert reading.text == "Hi! My name is Claude."


def test_an_error_event_inside_a_stream_is_named() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    assert anthropic.read_stream(events(sse(error, named=True))).error_type == "overloaded_error"


def test_an_error_body_is_named() -> None:
    body = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}, "request_id": "req_1"}
    assert anthropic.read_json(body) == Reading(error_type="rate_limit_error")


def test_the_input_of_a_tool_is_output_but_no_text() -> None:
    body = MESSAGE | {"content": [{"type": "tool_use", "id": "t", "name": "get", "input": {"city": "Rome"}}]}
    assert (anthropic.read_json(body).text, anthropic.read_json(body).other_output) == (None, '{"city":"Rome"}')


COUNTED = {"input_tokens": 7, "output_tokens": 5, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
OTHER = "claude-of-another-kind"
SHARE = {f"input_tokens of {OTHER}": 7, f"cache_read_input_tokens of {OTHER}": 0, f"output_tokens of {OTHER}": 5}
SHARE |= {f"cache_creation_input_tokens of {OTHER}": 0}
UNKNOWN = {f"input_tokens of {OTHER}": None, f"output_tokens of {OTHER}": None}
SILENT = {"type": "message", "model": OTHER} | COUNTED | {"output_tokens": 0}


@pytest.mark.parametrize(
    ("iteration", "units", "more_input_tokens"),
    [
        ({"type": "message"}, {}, 0),
        ({"type": "message", "model": MESSAGE["model"]}, {}, 0),
        ({"type": "compaction"} | COUNTED, {}, 7),
        ({"type": "message", "model": OTHER} | COUNTED, SHARE, 7),
        (SILENT, {}, 0),  # declined before any output
        ({"type": "advisor_message", "model": OTHER} | COUNTED, SHARE, 7),
        ({"type": "advisor_message", "model": OTHER}, UNKNOWN, 0),
        ({"type": "advisor_message", "model": MESSAGE["model"]} | COUNTED, {}, 7),
    ],
)
def test_what_another_model_used_is_a_share_of_the_whole(
    iteration: dict[str, object], units: dict[str, int | None], more_input_tokens: int
) -> None:
    usage = MESSAGE["usage"] | {"iterations": [{"type": "message"}, iteration]}
    reading = anthropic.read_json(MESSAGE | {"usage": usage})
    assert {unit: count for unit, count in reading.units.items() if " of " in unit} == units
    assert reading.usage and reading.usage.input_tokens == 23_100 + more_input_tokens


def test_the_input_of_later_samplings_is_part_of_the_whole() -> None:
    """The totals of a call with an advisor state that of the first one only."""
    own = {"type": "message"} | COUNTED | {"input_tokens": 90_000, "cache_read_input_tokens": 20_000}
    first = own | {"cache_creation_input_tokens": 3_000}
    reading = anthropic.read_json(MESSAGE | {"usage": MESSAGE["usage"] | {"iterations": [first, own]}})
    assert reading.usage and reading.usage.input_tokens == 180_000 + 40_000 + 3_000
    assert reading.usage.output_tokens == 503


def test_samplings_of_an_unknown_kind_are_a_price_factor() -> None:
    usage = MESSAGE["usage"] | {"iterations": [{"type": "message"}, {"type": "dreaming"} | COUNTED]}
    assert anthropic.read_json(MESSAGE | {"usage": usage}).price_factors["iterations"] == "dreaming"


@pytest.mark.parametrize(
    ("category", "content", "is_unbilled"),
    [
        ("cyber", [], True),
        (None, [], True),
        ("bio", [], False),
        ("cyber", [{"type": "text", "text": "I"}], False),
        ("cyber", [{"type": "fallback", "from": {"model": OTHER}, "to": {"model": MESSAGE["model"]}}], True),
    ],
)
def test_a_refusal_before_any_output_is_billed_for_some_categories(
    category: str | None, content: list[object], is_unbilled: bool
) -> None:
    stop = {"stop_reason": "refusal", "stop_details": {"type": "refusal", "category": category}}
    assert anthropic.read_json(MESSAGE | stop | {"content": content}).is_unbilled is is_unbilled
    delta = {"type": "message_delta", "delta": stop, "usage": {"output_tokens": 0}}
    blocks = [{"type": "content_block_start", "index": 0, "content_block": block} for block in content]
    start = {"type": "message_start", "message": MESSAGE | {"content": [], "stop_reason": None}}
    assert anthropic.read_stream(events(sse(start, *blocks, delta))).is_unbilled is is_unbilled


def test_a_refusal_of_another_companys_model_is_charged_as_stated() -> None:
    body = MESSAGE | {"model": "some-model", "content": [], "stop_reason": "refusal"}
    assert not anthropic.read_json(body).is_unbilled


@pytest.mark.parametrize(
    ("line", "ends"),
    [
        (b"event: message_stop\n", True),
        (b'data: {"type":"message_stop"}', True),
        (b'data: {"type": "message_stop" }', True),
        (b"event: message_start\n", False),
        (b'data: {"type":"content_block_delta","delta":{"text":"event: message_stop"}}', False),
    ],
)
def test_the_terminal_event_is_known_by_the_start_of_its_line(line: bytes, ends: bool) -> None:
    assert LineScanner(anthropic.TERMINAL).feed(line) is ends


def test_a_prompt_is_system_messages_results_and_tools() -> None:
    request = {
        "system": [{"type": "text", "text": "Be kind."}],
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": [{"type": "tool_use", "name": "get", "input": {"a": 1}}]},
            {"role": "user", "content": [{"type": "tool_result", "content": [{"type": "text", "text": "done"}]}]},
        ],
        "tools": [{"name": "get"}],
    }
    assert anthropic.prompt(request) == 'Be kind.\nHi\n{"a":1}\ndone\n[{"name":"get"}]'


@given(odd_json)
def test_odd_json_raises_nothing(body: Any) -> None:
    anthropic.read_json(body)
    anthropic.prompt(body)
    kinds = ("message_start", "message_delta", "content_block_start", "content_block_delta", "error")
    anthropic.read_stream(
        events(
            sse(json.dumps(body), *({"type": kind, "message": body, "delta": body, "usage": body} for kind in kinds))
        )
    )


@given(counts, counts, counts, counts)
def test_the_parts_never_exceed_the_whole(
    fresh: int | None, read: int | None, made: int | None, out: int | None
) -> None:
    raw = {"input_tokens": fresh, "cache_read_input_tokens": read, "cache_creation_input_tokens": made}
    usage = anthropic_usage.usage(raw | {"output_tokens": out})
    if usage is None:
        assert fresh is None and out is None
    elif fresh is None:
        assert usage.input_tokens is None  # a total with an unknown part is unknown
    else:
        assert usage.input_tokens == fresh + (read or 0) + (made or 0)
        assert (usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (read, made)
