import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addon.metering.estimate import estimate_tokens
from addon.metering.reading import RequestFacts, read_answer, request_facts, settle_usage
from addon.providers import anthropic, openai, registry
from addon.providers.framing.table import JSON, SSE
from addon.providers.model import Operation, Provider, Reading, Usage
from tests.providers.bodies import CHAT, CHAT_STREAM, MESSAGE, chunk, message_stream, response_stream, sse

SESSION = "0b8fcf5f-6a4b-4d5e-9f52-5f1fbbc0d3a1"
REQUEST = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hello."}], "stream": True}


def operation(provider: Provider, path: str) -> Operation:
    found = registry.operation(provider, "POST", path)
    assert found
    return found[0]


CHATS = operation(openai.PROVIDER, "/v1/chat/completions")
RESPONSES = operation(openai.PROVIDER, "/v1/responses")
EMBEDDINGS = operation(openai.PROVIDER, "/v1/embeddings")
MESSAGES = operation(anthropic.PROVIDER, "/v1/messages")


def test_an_answer_is_read_by_what_it_is() -> None:
    as_json = json.dumps(CHAT).encode()
    assert read_answer(CHATS, as_json, JSON).text == "Hello! How can I help?"
    assert read_answer(CHATS, as_json, SSE).text == "Hello! How can I help?"
    assert read_answer(CHATS, CHAT_STREAM, SSE).text == "Hello"
    assert read_answer(CHATS, CHAT_STREAM, JSON).text == "Hello"
    assert read_answer(CHATS, b": waiting\n\n" + CHAT_STREAM, JSON).text == "Hello"
    assert read_answer(CHATS, b"\xef\xbb\xbf " + as_json, JSON).text == "Hello! How can I help?"


@pytest.mark.parametrize(
    "body", [b"", b"<html>Bad Gateway</html>", b'{"cut": ', b"[1]", b"null", b"\x1f\x8b\xff", b"{}"]
)
def test_what_cannot_be_read_says_nothing(body: bytes) -> None:
    for op in (CHATS, RESPONSES, EMBEDDINGS, MESSAGES):
        for framing in (SSE, JSON):
            assert read_answer(op, body, framing) == Reading()


def test_half_an_emoji_costs_no_usage() -> None:
    body = json.dumps(CHAT).replace("How can", r"\ud83d How \ud83d\ude00 can").encode()
    reading = read_answer(CHATS, body, JSON)
    assert reading.text == "Hello! ? How \U0001f600 can I help?"
    assert reading.usage == read_answer(CHATS, json.dumps(CHAT).encode(), JSON).usage
    assert request_facts(rb'{"model": "gpt-4o", "user": "\ude00"}').model == "gpt-4o"
    for bad in (rb'{"a": "\ud83d", "b": NaN}', rb'{"a": "\ud83d"', rb'["\ud83d' + b'", [' * 99_999, b'"\\ud83d\xff"'):
        assert read_answer(CHATS, bad, JSON) == Reading()


@given(st.integers(0, len(CHAT_STREAM)))
def test_a_stream_cut_anywhere_is_read_up_to_there(cut: int) -> None:
    reading = read_answer(CHATS, CHAT_STREAM[:cut], SSE)
    assert "Hello".startswith(reading.text or "")


def test_a_request_says_its_model_user_and_whether_it_streams() -> None:
    body = json.dumps(REQUEST | {"user": "u-1"}).encode()
    facts = request_facts(body)
    assert (facts.model, facts.user, facts.stream, facts.session_id) == ("gpt-4o", "u-1", True, None)
    assert facts.body == json.loads(body)


@pytest.mark.parametrize(
    ("body", "user", "session"),
    [
        ({"metadata": {"user_id": json.dumps({"device_id": "d", "session_id": SESSION})}}, None, SESSION),
        ({"metadata": {"user_id": f"user_ab12_account_{SESSION}_session_{SESSION}"}}, None, SESSION),
        ({"metadata": {"user_id": f"session_{SESSION}"}}, None, SESSION),  # Kimi Code
        ({"metadata": {"user_id": f"my_session_{SESSION}"}}, f"my_session_{SESSION}", None),
        ({"metadata": {"user_id": "customer-7"}}, "customer-7", None),
        ({"metadata": {"user_id": "{not json"}}, "{not json", None),
        ({"metadata": {"user_id": 7}}, None, None),
        ({"client_metadata": {"session_id": SESSION}, "prompt_cache_key": "k"}, None, SESSION),
        ({"prompt_cache_key": SESSION}, None, None),
        ({"user": "a", "metadata": {"user_id": "b"}}, "a", None),
    ],
)
def test_session_and_user_are_where_the_clients_put_them(
    body: dict[str, Any], user: str | None, session: str | None
) -> None:
    facts = request_facts(json.dumps(body).encode())
    assert (facts.user, facts.session_id) == (user, session)


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b"7", b"\xff"])
def test_a_request_that_is_not_an_object_gives_no_facts(body: bytes) -> None:
    facts = request_facts(body)
    assert (facts.model, facts.user, facts.session_id, facts.stream) == (None, None, None, False)
    assert request_facts(b"") == RequestFacts()


def settled(
    op: Operation, body: bytes, request: Any = REQUEST, *, is_stream: bool = True, complete: bool = True
) -> tuple[Usage | None, str | None]:
    return settle_usage(
        op, read_answer(op, body, SSE if is_stream else JSON), request, is_stream=is_stream, complete=complete
    )


def test_a_stated_usage_is_the_providers() -> None:
    assert settled(CHATS, CHAT_STREAM) == (Usage(input_tokens=8, output_tokens=2), "provider")
    assert settled(MESSAGES, json.dumps(MESSAGE).encode(), is_stream=False)[1] == "provider"


def test_a_stream_that_said_its_last_words_is_whole_though_its_end_was_lost() -> None:
    assert settled(CHATS, CHAT_STREAM.removesuffix(b"data: [DONE]\n\n"), complete=False)[1] == "provider"


def test_a_stream_without_usage_is_estimated() -> None:
    usage, source = settled(CHATS, sse(chunk({"content": "Hello there!"}, finish="stop"), "[DONE]"))
    assert source == "estimated"
    words = estimate_tokens("Say hello.", "gpt-4o")
    assert usage == Usage(input_tokens=words + 4 + 3, output_tokens=estimate_tokens("Hello there!", "gpt-4o"))


def test_a_stream_that_ended_early_has_the_larger_of_stated_and_estimated_output() -> None:
    cut = sse(*message_stream({}, stop=False), named=True)
    usage, source = settled(MESSAGES, cut, {"messages": []}, complete=False)
    assert source == "estimated" and usage
    assert usage.input_tokens == 23_100  # stated at the start
    assert usage.cache_read_input_tokens == 20_000
    assert usage.output_tokens == estimate_tokens("Hi! My name is Claude.Name?", None) > 3
    barely, _ = settled(MESSAGES, sse(*message_stream({}, stop=False)[:1]), {"messages": []}, complete=False)
    assert barely and barely.output_tokens == 3


def test_the_arguments_of_a_tool_count_in_an_estimate() -> None:
    call = {"index": 0, "function": {"name": "weather", "arguments": '{"city": "Rome", "days": 14}'}}
    usage, _ = settled(CHATS, sse(chunk({"tool_calls": [call]})), complete=False)
    assert usage and usage.output_tokens and usage.output_tokens > 8


def test_a_cut_response_is_estimated_from_its_deltas() -> None:
    request = {"model": "gpt-5", "input": "How is the weather?"}
    usage, source = settled(RESPONSES, sse(*response_stream()[:5], named=True), request, complete=False)
    assert (usage, source) == (Usage(input_tokens=5, output_tokens=4), "estimated")


@pytest.mark.parametrize(
    ("op", "body", "is_stream"),
    [
        (CHATS, json.dumps(CHAT | {"usage": None}).encode(), False),  # JSON without usage
        (EMBEDDINGS, b'{"object":"list","data":[]}', False),
        (CHATS, b'{"error":{"type":"server_error"}}', True),  # the error answer to a stream's request
        (CHATS, b"", True),  # never began
        (MESSAGES, sse({"type": "error", "error": {"type": "overloaded_error"}}, named=True), True),
    ],
)
def test_usage_that_is_neither_stated_nor_countable_is_unknown(op: Operation, body: bytes, is_stream: bool) -> None:
    assert settled(op, body, is_stream=is_stream, complete=False) == (None, None)


def test_an_input_that_we_cannot_see_is_unknown_and_not_nothing() -> None:
    body = sse(chunk({"content": "Hi"}, finish="stop"), "[DONE]")
    for request in (None, {"model": "gpt-4o"}, {"messages": "odd"}):
        usage, source = settled(CHATS, body, request)
        assert source == "estimated" and usage and usage.input_tokens is None and usage.output_tokens == 1


def test_a_stream_of_which_no_word_was_heard_has_no_output_count() -> None:
    usage, source = settled(CHATS, sse(chunk({"role": "assistant", "content": ""})), complete=False)
    assert source == "estimated" and usage and usage.input_tokens and usage.output_tokens is None


def test_a_very_long_user_is_one_and_is_not_searched_for_a_session() -> None:
    claimed = "user_" + "_account_" * 20_000  # the pattern's time grows with the cube of the length
    assert request_facts(json.dumps({"metadata": {"user_id": claimed}}).encode()).user == claimed
