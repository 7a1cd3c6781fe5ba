import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addon.providers import openai, openai_responses, openai_shaped, openai_usage, registry
from addon.providers.framing.lines import LineScanner
from addon.providers.framing.sse import events
from addon.providers.model import Operation, Reading, Terminal, Usage
from tests.providers.bodies import CHAT, CHAT_STREAM, RESPONSE, chunk, response_stream, sse


def operation(path: str) -> Operation:
    found = registry.operation(openai.PROVIDER, "POST", path)
    assert found
    return found[0]


def read_json(path: str, body: Any) -> Reading:
    reader = operation(path).read_json
    assert reader
    return reader(body)


def read_stream(path: str, body: bytes) -> Reading:
    reader = operation(path).read_stream
    assert reader
    return reader(events(body))


CHAT_PATH, RESPONSES_PATH = "/v1/chat/completions", "/v1/responses"
odd_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "message", "delta", "usage", "content", "error", "output", "item", "response"])
            | st.sampled_from(["type", "tool_calls", "function", "input_tokens_details", "status", "id", "model"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


def test_a_chat_answer_says_model_id_reason_text_and_usage() -> None:
    assert read_json(CHAT_PATH, CHAT) == Reading(
        response_model="gpt-4o-2024-08-06",
        response_id="chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
        finish_reasons=("stop",),
        usage=Usage(
            input_tokens=2006,  # cached tokens are inside already
            cache_read_input_tokens=1920,
            output_tokens=300,
            reasoning_output_tokens=0,
        ),
        usage_raw=CHAT["usage"],
        price_factors={"service_tier": "default"},
        text="Hello! How can I help?",
    )


def test_a_chat_stream_reads_like_its_json() -> None:
    reading = read_stream(CHAT_PATH, CHAT_STREAM)
    assert reading.text == "Hello"
    assert reading.finish_reasons == ("stop",)
    assert reading.response_id == "chatcmpl-123"
    assert reading.response_model == "gpt-4o-mini-2024-07-18"
    assert reading.price_factors == {"service_tier": "default"}
    assert reading.usage == Usage(input_tokens=8, output_tokens=2)  # no details stated, so none known


def test_a_stream_without_usage_has_none() -> None:
    assert read_stream(CHAT_PATH, sse(chunk({"content": "Hi"}, finish="stop"), "[DONE]")).usage is None


def test_of_usage_that_grows_in_every_chunk_the_last_counts() -> None:
    body = sse(*(chunk({"content": "x"}, usage={"prompt_tokens": 5, "completion_tokens": n}) for n in (1, 2, 3)))
    assert read_stream(CHAT_PATH, body).usage == Usage(input_tokens=5, output_tokens=3)


def test_several_choices_keep_their_order_whatever_order_they_came_in() -> None:
    body = sse(
        chunk({"content": "b"}, index=1),
        chunk({"content": "a"}, index=0),
        chunk({"content": "B"}, index=1, finish="length"),
        chunk({"content": "A"}, index=0, finish="stop"),
    )
    reading = read_stream(CHAT_PATH, body)
    assert (reading.text, reading.finish_reasons) == ("aA\nbB", ("stop", "length"))


def test_a_refusal_is_text_and_the_arguments_of_a_tool_are_not() -> None:
    call = {"index": 0, "id": "call_1", "function": {"name": "weather", "arguments": '{"city":'}}
    more = {"index": 0, "function": {"arguments": '"Rome"}'}}
    body = sse(chunk({"refusal": "I can't."}), chunk({"tool_calls": [call]}), chunk({"tool_calls": [more]}))
    reading = read_stream(CHAT_PATH, body)
    assert (reading.text, reading.other_output) == ("I can't.", 'weather{"city":"Rome"}')


def test_an_error_inside_a_stream_is_named() -> None:
    body = sse(chunk({"content": "Hi"}), {"error": {"type": "server_error", "code": None, "message": "sorry"}})
    reading = read_stream(CHAT_PATH, body)
    assert (reading.error_type, reading.text) == ("server_error", "Hi")


@pytest.mark.parametrize(
    ("error", "named"),
    [
        ({"type": "insufficient_quota", "code": "insufficient_quota", "message": ""}, "insufficient_quota"),
        ({"type": None, "code": "context_length_exceeded"}, "context_length_exceeded"),
        ({"code": 402, "message": "more credits"}, "402"),
        ("just a sentence", None),
    ],
)
def test_an_error_body_gives_its_type_or_its_code(error: Any, named: str | None) -> None:
    assert read_json(CHAT_PATH, {"error": error}).error_type == named


def test_a_legacy_completion_has_its_text_in_the_choice() -> None:
    body = {"id": "cmpl-1", "model": "gpt-3.5-turbo-instruct", "choices": [{"text": "Yes", "finish_reason": "length"}]}
    reading = read_json("/v1/completions", body | {"usage": {"prompt_tokens": 5, "completion_tokens": 7}})
    assert (reading.text, reading.finish_reasons) == ("Yes", ("length",))
    assert reading.usage == Usage(input_tokens=5, output_tokens=7)


def test_embeddings_have_input_tokens_and_no_output() -> None:
    body = {"object": "list", "data": [{"embedding": [0.1]}], "model": "text-embedding-3-small"}
    reading = read_json("/v1/embeddings", body | {"usage": {"prompt_tokens": 8, "total_tokens": 8}})
    assert reading.usage == Usage(input_tokens=8)
    assert reading.response_model == "text-embedding-3-small"


def test_a_response_says_the_same_as_json_and_as_a_stream() -> None:
    as_json = read_json(RESPONSES_PATH, RESPONSE)
    assert as_json == Reading(
        response_model="gpt-5-2025-08-07",
        response_id="resp_67ccd3a9da748190baa7f1570fe91ac604becb25c45c1d41",
        finish_reasons=("completed",),
        usage=Usage(
            input_tokens=328,
            cache_read_input_tokens=128,
            cache_creation_input_tokens=0,
            output_tokens=52,
            reasoning_output_tokens=40,
        ),
        usage_raw=RESPONSE["usage"],
        price_factors={"service_tier": "default"},
        text="It is sunny.",
    )
    for path in (RESPONSES_PATH, "/backend-api/codex/responses"):
        assert read_stream(path, sse(*response_stream(), named=True)) == as_json


def test_a_response_whose_final_event_leaves_the_output_out_keeps_its_deltas() -> None:
    assert read_stream(RESPONSES_PATH, sse(*response_stream(output=[])[:5])).text == "It is sunny."
    assert read_stream(RESPONSES_PATH, sse(*response_stream(output=[]))).text == "It is sunny."


def test_a_response_cut_within_its_second_message_has_the_words_of_both() -> None:
    message = {"type": "message", "content": [{"type": "output_text", "text": "One."}]}
    happenings = (
        {"type": "response.created", "response": {"id": "resp", "model": "gpt-5", "status": "in_progress"}},
        {"type": "response.output_text.delta", "delta": "One."},
        {"type": "response.output_item.done", "item": message},
        {"type": "response.output_text.delta", "delta": " Two"},
    )
    assert openai_responses.read_stream(events(sse(*map(json.dumps, happenings)))).text == "One. Two"


def test_an_incomplete_response_says_why() -> None:
    stream = response_stream("incomplete", incomplete_details={"reason": "max_output_tokens"})
    assert read_stream(RESPONSES_PATH, sse(*stream)).finish_reasons == ("max_output_tokens",)


def test_a_failed_response_gives_its_error_code() -> None:
    failed = response_stream("failed", error={"code": "rate_limit_exceeded", "message": "slow down"}, usage=None)
    reading = read_stream(RESPONSES_PATH, sse(*failed))
    assert (reading.error_type, reading.finish_reasons, reading.usage) == ("rate_limit_exceeded", ("failed",), None)


@pytest.mark.parametrize(
    "error",
    [
        {"type": "error", "code": "server_error", "message": "sorry", "param": None},
        {"type": "error", "error": {"type": "server_error", "message": "sorry"}},
    ],
)
def test_an_error_event_ends_a_response(error: dict[str, Any]) -> None:
    reading = read_stream(RESPONSES_PATH, sse(*response_stream()[:4], error, named=True))
    assert (reading.error_type, reading.text) == ("server_error", "It is ")


def test_uses_of_built_in_tools_are_counted_for_their_fees() -> None:
    output = [
        {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "x"}},
        {"type": "web_search_call", "status": "completed", "action": {"type": "open_page", "url": "https://x"}},
        {"type": "file_search_call"},
        {"type": "code_interpreter_call", "container_id": "cntr_1"},
        {"type": "code_interpreter_call", "container_id": "cntr_1"},
    ]
    reading = read_json(RESPONSES_PATH, RESPONSE | {"output": output, "tools": [{"type": "web_search"}]})
    assert reading.units == {"web_searches": 1, "storage_searches": 1, "container_sessions": 1}
    assert reading.price_factors == {"service_tier": "default", "container_memory": "1g"}


@pytest.mark.parametrize(
    ("terminal", "line", "ends"),
    [
        (openai_shaped.DONE, b"data: [DONE]", True),
        (openai_shaped.DONE, b"data:[DONE]\r\n", True),
        (openai_shaped.DONE, b'data: {"choices":[{"delta":{"content":"[DONE]"}}]}', False),
        (openai_responses.TERMINAL, b"event: response.completed\n", True),
        (openai_responses.TERMINAL, b"event: response.failed\r\n", True),
        (openai_responses.TERMINAL, b'data: {"type":"response.incomplete","response":{', True),
        (openai_responses.TERMINAL, b"event: error\n", True),
        (openai_responses.TERMINAL, b'data: {"type":"error","code":"x"}', True),
        (openai_responses.TERMINAL, b"event: response.completed_soon", False),
        (openai_responses.TERMINAL, b"event: response.created", False),
    ],
)
def test_the_terminal_event_is_known_by_the_start_of_its_line(terminal: Terminal, line: bytes, ends: bool) -> None:
    assert LineScanner(terminal).feed(line) is ends


def test_a_prompt_is_its_words_and_tools_without_its_images() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    tools = [{"type": "function", "function": {"name": "weather"}}]
    messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "What is this?"}, image]},
    ]
    prompt = openai_shaped.chat_prompt({"messages": messages, "tools": tools})
    assert prompt == f"Be kind.\nWhat is this?\n{json.dumps(tools, separators=(',', ':'))}"
    given = {"instructions": "Be kind.", "input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}]}
    assert openai_responses.prompt(given) == "Be kind.\nHi"
    assert openai_responses.prompt({"input": "Hi"}) == "Hi"


@given(odd_json)
def test_odd_json_raises_nothing(body: Any) -> None:
    openai_shaped.chat_prompt(body)
    openai_responses.prompt(body)
    for op in openai.PROVIDER.operations:
        assert op.read_json
        op.read_json(body)
    for op in openai.PROVIDER.operations:
        if op.read_stream:
            op.read_stream(events(sse(json.dumps(body), json.dumps({"type": "response.completed", "response": body}))))


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "prompt_tokens": st.integers(-5, 10**6) | st.none() | st.booleans() | st.just(2**70),
            "completion_tokens": st.integers(0, 10**6) | st.text(max_size=2),
            "prompt_tokens_details": st.none() | st.dictionaries(st.just("cached_tokens"), st.integers(0, 9)),
        },
    )
)
def test_a_count_is_as_stated_or_unknown(raw: dict[str, Any]) -> None:
    usage = openai_usage.usage(raw) or Usage()
    for stated, read in (("prompt_tokens", usage.input_tokens), ("completion_tokens", usage.output_tokens)):
        # Some providers write a number as text: "12".
        assert read is None or (str(read) == str(raw[stated]).lstrip("0").zfill(1) and type(read) is int)


def test_a_count_that_would_break_every_sum_is_unknown() -> None:
    raw = {"prompt_tokens": 2**63 - 1, "completion_tokens": 7}
    assert openai_usage.usage(raw) == Usage(output_tokens=7)
