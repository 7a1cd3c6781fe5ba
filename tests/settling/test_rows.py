"""From what the journal has to what the table says, with real readers and prices."""

import gzip
from dataclasses import replace
from typing import Any

import orjson
import pytest

from addon.metering.price import PriceList
from addon.settling.journal_reader import Call
from addon.settling.rows import bare_rows, make_rows
from addon.storage.journal_lines import CallEnd, CallStart
from addon.storage.record import BodyRow, RequestRow
from tests.config.sections import section
from tests.storage.calls import NOON_US, call_start

PRICES = PriceList()
QUESTION = {"model": "gpt-4o", "user": "u1", "messages": [{"role": "user", "content": "Say hello."}]}
ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4o-2024-08-06",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29},
}
JSON = CallEnd(status=200, content_type="application/json", duration_ms=5)
SSE = CallEnd(status=200, content_type="text/event-stream; charset=utf-8", time_to_first_token_ms=3)


def event(content: str) -> bytes:
    chunk = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "delta": {"content": content}, "finish_reason": None}],
    }
    return b"data: " + orjson.dumps(chunk) + b"\n\n"


def rows(
    response: Any = ANSWER, end: CallEnd | None = JSON, start: CallStart | None = None, request: Any = QUESTION
) -> tuple[RequestRow, BodyRow]:
    call = Call(
        call_id="call",
        start=start or call_start("request"),
        end=end,
        request=request if isinstance(request, bytes) else orjson.dumps(request),
        response=response if isinstance(response, bytes) else orjson.dumps(response),
    )
    return make_rows(call, PRICES)


def test_a_call_is_read_counted_and_priced() -> None:
    request, body = rows()
    assert (request.request_model, request.response_model, request.response_id) == (
        "gpt-4o",
        "gpt-4o-2024-08-06",
        "chatcmpl-1",
    )
    assert (request.input_tokens, request.output_tokens, request.usage_source) == (19, 10, "provider")
    assert request.cost_nanousd == 19 * 2_500 + 10 * 10_000  # 2.50 and 10 USD a million
    assert (request.cost_source or "").startswith("genai-prices ")
    assert orjson.loads(request.usage_raw or "") == ANSWER["usage"]
    assert (request.finish_reasons, request.user_id, request.properties) == (("stop",), "u1", {"feature": "test"})
    assert (request.started_at.isoformat(), request.duration_ms) == ("2026-11-21T12:00:00+00:00", 5)
    assert (request.error_type, request.is_stream, request.status) == (None, False, 200)
    assert (body.response_text, orjson.loads(body.response_body or "")) == ("Hello.", ANSWER)


def test_a_body_cut_within_a_character_is_text_without_it() -> None:
    cut = replace(SSE, complete=False, request_truncated=True)
    words = '"日本"'.encode()
    _, body = rows(words[:-2], cut, request=words[:-2])
    assert (body.request_body, body.response_body) == ('"日', '"日')
    _, whole = rows(words[:-2], JSON, request=words[:-2])  # not cut: its bytes are meant
    assert (whole.request_body or "").startswith("data:") and (whole.response_body or "").startswith("data:")


def test_headers_say_more_than_the_body() -> None:
    start = replace(call_start("request"), user_id="from header", session_id="s1", model_override="gpt-4o-mini")
    request, _ = rows(start=start)
    assert (request.user_id, request.session_id, request.request_model) == ("from header", "s1", "gpt-4o")
    assert request.cost_nanousd == 19 * 150 + 10 * 600


def test_compressed_bodies_are_decoded() -> None:
    start = replace(call_start("request"), content_encoding="gzip")
    end = replace(JSON, content_encoding="gzip")
    request, body = rows(
        gzip.compress(orjson.dumps(ANSWER)), end, start, gzip.compress(orjson.dumps(QUESTION), mtime=0)
    )
    assert (request.input_tokens, request.request_model) == (19, "gpt-4o")
    assert body.request_body == orjson.dumps(QUESTION).decode()


def test_what_is_not_utf8_is_kept_as_a_data_url() -> None:
    request, body = rows(b"\xff\xfe", replace(JSON, content_type="audio/mpeg"))
    assert body.response_body == "data:audio/mpeg;base64,//4="
    assert (request.usage_source, request.cost_nanousd) == (None, None)


def test_omitted_bodies_are_null() -> None:
    start = replace(call_start("request"), omit_request=True, omit_response=True)
    reading = {
        "response_model": "gpt-4o-2024-08-06",
        "finish_reasons": ["stop"],
        "usage": {"input_tokens": 19, "output_tokens": 10},
        "usage_raw": ANSWER["usage"],
        "price_factors": {},
    }
    request, body = rows(b"", replace(JSON, reading=reading), start, {"model": "gpt-4o"})
    assert (body.request_body, body.response_body, body.response_text) == (None, None, None)
    assert (request.input_tokens, request.finish_reasons, request.cost_nanousd) == (19, ("stop",), 147_500)


def test_a_stream_that_was_cut_is_estimated() -> None:
    end = replace(SSE, complete=False, error_type="upstream_disconnected")
    request, body = rows(event("Hello ") + event("there"), end)
    assert (request.status, request.error_type, request.is_stream) == (200, "upstream_disconnected", True)
    assert request.usage_source == "estimated"
    assert request.input_tokens and request.output_tokens and request.cost_nanousd
    assert body.response_text == "Hello there"


def test_a_body_cut_at_our_cap_is_not_taken_for_the_whole_stream() -> None:
    request, body = rows(event("Hello"), replace(SSE, response_truncated=True))
    assert request.usage_source == "estimated"
    assert body.response_truncated


def test_a_stream_under_way_when_the_proxy_died_is_estimated_too() -> None:
    request, body = rows(event("Hello"), None, request=QUESTION | {"stream": True})
    assert (request.status, request.error_type, request.usage_source) == (None, "heliograph_interrupted", "estimated")
    assert (request.is_stream, body.response_text) == (True, "Hello")


def test_a_call_that_died_before_its_answer_has_no_price() -> None:
    request, _ = rows(b"", None)
    assert (request.usage_source, request.cost_nanousd, request.cost_source) == (None, None, None)


@pytest.mark.parametrize(
    ("body", "status", "error_type"),
    [
        ({"error": {"type": "insufficient_quota", "code": "x", "message": ""}}, 429, "insufficient_quota"),
        (b"<html>bad gateway</html>", 502, "http_502"),
        (b"", 500, "http_500"),
    ],
)
def test_an_error_answer_is_free_and_has_a_type(body: Any, status: int, error_type: str) -> None:
    request, _ = rows(body, replace(JSON, status=status))
    assert (request.error_type, request.cost_nanousd, request.cost_source) == (error_type, 0, "free")
    assert request.input_tokens is None


@pytest.mark.parametrize(
    ("status", "error_type", "nanousd"),
    [
        (-100, "connection_failed", 0),  # nothing was sent
        (-100, "upstream_disconnected", None),  # the provider had the request, and may bill it
        (-2, "upstream_timeout", None),
        (-3, "client_disconnected", None),
    ],
)
def test_without_an_answer_only_a_refused_connection_is_free(status: int, error_type: str, nanousd: int | None) -> None:
    request, _ = rows(b"", CallEnd(status=status, error_type=error_type, complete=False))
    assert (request.status, request.error_type, request.cost_nanousd) == (status, error_type, nanousd)


def test_an_unknown_model_has_usage_and_no_price() -> None:
    request, _ = rows(ANSWER | {"model": "no-such-model"}, request=QUESTION | {"model": "no-such-model"})
    assert (request.input_tokens, request.cost_nanousd, request.cost_source) == (19, None, None)


def test_an_unknown_provider_is_read_by_the_shape_of_its_path_and_has_the_prices_of_the_models_maker() -> None:
    start = replace(call_start("request"), provider_name="llm.example.org", host="llm.example.org")
    request, body = rows(start=start)
    assert (request.provider_name, request.request_model, request.input_tokens) == ("llm.example.org", "gpt-4o", 19)
    assert request.cost_nanousd == 147_500
    assert body.response_body


def test_prices_are_those_of_the_day_of_the_call() -> None:
    # o3 became cheaper on 2025-06-10: 10 USD, then 2 USD a million tokens of input.
    answer = ANSWER | {"model": "o3", "usage": {"prompt_tokens": 1_000, "completion_tokens": 0, "total_tokens": 1_000}}
    day_us = 86_400_000_000
    costs = [rows(answer, start=call_start("r", NOON_US - days * day_us))[0].cost_nanousd for days in (569, 1)]
    assert costs == [10_000_000, 2_000_000]


def test_bare_rows_keep_the_bodies_as_they_came_and_omit_what_is_to_be_omitted() -> None:
    call = Call(call_id="c", start=call_start("r"), end=JSON, request=b"ask", response=b"\xff")
    request, body = bare_rows(call, "heliograph_KeyError")
    assert (request.error_type, request.cost_nanousd) == ("heliograph_KeyError", None)
    assert (body.request_body, body.response_body) == ("ask", "data:application/json;base64,/w==")
    omitted = replace(call, start=replace(call.start, omit_request=True, omit_response=True))
    assert bare_rows(omitted, "heliograph_KeyError")[1].request_body is None


def claude(*happenings: dict[str, Any]) -> bytes:
    start = {"id": "msg", "model": "claude-sonnet-4-5", "usage": {"input_tokens": 1000, "output_tokens": 1}}
    said = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Lorem ipsum dolor sit amet. " * 9}}
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (happening["type"].encode(), orjson.dumps(happening))
        for happening in ({"type": "message_start", "message": start}, said, *happenings)
    )


CLAUDE = replace(call_start("request"), provider_name="anthropic", host="api.anthropic.com", path="/v1/messages")
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
LAST_WORDS = (
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 70}},
    {"type": "message_stop"},
)


@pytest.mark.parametrize("happenings", [(), (OVERLOADED,)])
def test_a_stream_that_ends_before_its_terminal_event_is_counted_by_its_words(
    happenings: tuple[dict[str, Any], ...],
) -> None:
    request, _ = rows(claude(*happenings), SSE, CLAUDE)
    assert (request.input_tokens, request.usage_source) == (1000, "estimated")
    assert (request.output_tokens or 0) > 40
    assert request.error_type == ("overloaded_error" if happenings else None)


def test_a_stream_without_a_content_type_is_one() -> None:
    whole, _ = rows(claude(*LAST_WORDS), CallEnd(status=200), CLAUDE)
    assert (whole.is_stream, whole.output_tokens, whole.usage_source) == (True, 70, "provider")
    cut, _ = rows(claude(), CallEnd(status=200, complete=False, error_type="upstream_disconnected"), CLAUDE)
    assert (cut.is_stream, cut.usage_source) == (True, "estimated")


def test_a_terminal_event_ends_a_stream_that_gives_no_reason() -> None:
    usage = b'data: {"id":"c","model":"gpt-4o","choices":[],"usage":{"prompt_tokens":8,"completion_tokens":1}}\n\n'
    request, _ = rows(event("Hello there, all of you.") + usage + b"data: [DONE]\n\n", SSE)
    assert (request.output_tokens, request.usage_source) == (1, "provider")


# Providers that answered in place of the called one.
FALLEN = CallEnd(
    status=200,
    content_type="application/json",
    attempts=2,
    fallback_index=1,
    provider_name="openai",
    operation_name="chat",
    host="api.openai.com",
    path="/v1/chat/completions",
    overrides={"model": '"gpt-4o-mini"', "temperature": "0"},
)


def test_a_row_names_the_provider_that_answered_and_keeps_the_requested_model() -> None:
    called = replace(
        call_start("request"), provider_name="groq", host="api.groq.com", path="/openai/v1/chat/completions"
    )
    request, body = rows(end=FALLEN, start=called)
    assert (request.provider_name, request.host, request.path) == (
        "openai",
        "api.openai.com",
        "/v1/chat/completions",
    )
    assert (request.request_model, request.attempts, request.fallback_index) == ("gpt-4o", 2, 1)
    assert request.cost_nanousd == 19 * 2_500 + 10 * 10_000  # OpenAI's price; that of Groq is none
    sent = orjson.loads(body.request_body or "")
    assert sent == {**QUESTION, "model": "gpt-4o-mini", "temperature": 0}
    bare, _ = bare_rows(Call(call_id="c", start=called, end=FALLEN, request=b"", response=b""), "heliograph_error")
    assert (bare.provider_name, bare.host) == ("openai", "api.openai.com")


def test_an_answer_that_names_no_model_is_priced_by_the_one_that_was_set() -> None:
    request, _ = rows(response={key: value for key, value in ANSWER.items() if key != "model"}, end=FALLEN)
    assert (request.request_model, request.response_model) == ("gpt-4o", None)
    assert request.cost_nanousd == 19 * 150 + 10 * 600


def test_a_request_that_was_cut_is_shown_as_far_as_it_is_there() -> None:
    _, body = rows(request=b'{"model": "gpt-4o", "mess', end=replace(FALLEN, request_truncated=True))
    assert body.request_body == '{"model": "gpt-4o", "mess'


def test_a_model_that_a_path_names_stays_what_was_asked_for() -> None:
    path = "/openai/deployments/dear/chat/completions"
    called = replace(call_start("request"), provider_name="azure", path=path, path_model="dear")
    request, _ = rows(end=FALLEN, start=called, request={"messages": []})
    assert (request.request_model, request.provider_name) == ("dear", "openai")


def test_a_stated_cost_wins_over_the_list_and_loses_to_ones_own_prices() -> None:
    end = replace(JSON, stated_cost_nanousd=7)
    request, _ = rows(end=end)
    assert (request.cost_nanousd, request.cost_source) == (7, "provider")
    own = PriceList(
        section("prices", [{"provider": "openai", "model": "gpt-4o", "input_usd_per_million": 1, "name": "mine"}])
    )
    call = Call(
        call_id="call",
        start=call_start("request"),
        end=end,
        request=orjson.dumps(QUESTION),
        response=orjson.dumps(ANSWER | {"usage": {"prompt_tokens": 19, "completion_tokens": 0}}),
    )
    request, _ = make_rows(call, own)
    assert (request.cost_nanousd, request.cost_source) == (19_000, "override mine")


def test_a_stated_cost_needs_neither_usage_nor_a_provider() -> None:
    start = replace(call_start("request"), provider_name="custom", host="", path="")
    request, _ = rows({}, replace(JSON, stated_cost_nanousd=7), start)
    assert (request.cost_nanousd, request.input_tokens) == (7, None)


def test_what_was_read_elsewhere_counts_also_of_an_api_that_we_cannot_read() -> None:
    start = replace(call_start("request"), provider_name="custom", host="", path="")
    reading = {"usage": {"input_tokens": 3, "output_tokens": 4}, "text": "Hello."}
    request, body = rows({"any": "form"}, replace(JSON, reading=reading), start)
    assert (request.input_tokens, request.output_tokens, request.usage_source) == (3, 4, "provider")
    assert (request.cost_nanousd, body.response_text) == (3 * 2_500 + 4 * 10_000, "Hello.")


def test_the_session_path_of_an_end_wins() -> None:
    start = replace(call_start("request"), session_path="/early", session_name="flow")
    request, _ = rows(start=start)
    assert (request.session_path, request.session_name) == ("/early", "flow")
    request, _ = rows(end=replace(JSON, session_path="/flow/step", duration_ms=None), start=start)
    assert (request.session_path, request.session_name, request.duration_ms) == ("/flow/step", "flow", None)
