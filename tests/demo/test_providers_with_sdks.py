"""The official SDKs take the fake providers for real ones."""

import json
from typing import Any

import anthropic
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam
from openai.types.responses import ResponseCompletedEvent

from addon.demo.behaviour import Behaviour
from addon.demo.plan import HANDBOOK
from addon.demo.providers import FakeProviders


def test_a_chat_completion_says_the_prompt_back_and_counts_its_words(openai_client: openai.OpenAI) -> None:
    answer = openai_client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Good day"}]
    )
    assert answer.choices[0].message.content == "You said: Be brief. Good day"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "gpt-4o-2024-08-06"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (4, 6, 10)


def test_the_same_request_gets_the_same_answer_and_another_one_another_id(openai_client: openai.OpenAI) -> None:
    first, second, other = (
        openai_client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}])
        for text in ("one", "one", "two")
    )
    assert first == second
    assert first.id != other.id


def test_a_streamed_chat_has_usage_only_when_asked(openai_client: openai.OpenAI) -> None:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Grüße an alle"}]
    plain = list(openai_client.chat.completions.create(model="gpt-4o", messages=messages, stream=True))
    asked = list(
        openai_client.chat.completions.create(
            model="gpt-4o", messages=messages, stream=True, stream_options={"include_usage": True}
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in plain) == "You said: Grüße an alle"
    assert [chunk.usage for chunk in plain] == [None] * len(plain)
    assert asked[-1].choices == []
    assert asked[-1].usage is not None
    assert asked[-1].usage.completion_tokens == 5


def test_long_prompts_are_cached_in_part_and_reasoning_models_think(openai_client: openai.OpenAI) -> None:
    answer = openai_client.chat.completions.create(model="o4-mini", messages=[{"role": "user", "content": HANDBOOK}])
    usage = answer.usage
    assert usage is not None
    assert usage.prompt_tokens_details is not None
    assert usage.completion_tokens_details is not None
    assert usage.prompt_tokens_details.cached_tokens == 640
    assert usage.completion_tokens_details.reasoning_tokens == 192
    assert usage.completion_tokens == 26 + 192


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_that_must_be_called_is_called(
    openai_client: openai.OpenAI, anthropic_client: anthropic.Anthropic, stream: bool
) -> None:
    schema = {"type": "object", "properties": {"query": {"type": "string"}}}
    asked: Any = [{"role": "user", "content": "Search for a red dot."}]
    chat: dict[str, Any] = {
        "tools": [{"type": "function", "function": {"name": "search", "parameters": schema}}],
        "tool_choice": {"type": "function", "function": {"name": "search"}},
    }
    message: dict[str, Any] = {
        "tools": [{"name": "search", "input_schema": schema}],
        "tool_choice": {"type": "tool", "name": "search"},
    }
    if stream:
        with openai_client.chat.completions.stream(model="gpt-4o", messages=asked, **chat) as chunks:
            completion: Any = chunks.get_final_completion()
        with anthropic_client.messages.stream(
            model="claude-haiku-4-5", max_tokens=99, messages=asked, **message
        ) as events:
            answer: Any = events.get_final_message()
    else:
        completion = openai_client.chat.completions.create(model="gpt-4o", messages=asked, **chat)
        answer = anthropic_client.messages.create(model="claude-haiku-4-5", max_tokens=99, messages=asked, **message)
    (choice,) = completion.choices
    (call,) = choice.message.tool_calls
    wanted = {"query": "for a red dot."}
    assert (call.function.name, json.loads(call.function.arguments)) == ("search", wanted)
    assert (answer.content[-1].name, answer.content[-1].input) == ("search", wanted)
    assert (choice.finish_reason, answer.stop_reason) == ("tool_calls", "tool_use")


def test_a_token_limit_ends_the_answer(openai_client: openai.OpenAI, anthropic_client: anthropic.Anthropic) -> None:
    chat = openai_client.chat.completions.create(
        model="gpt-4o", max_tokens=3, messages=[{"role": "user", "content": "one two"}]
    )
    message = anthropic_client.messages.create(
        model="claude-haiku-4-5", max_tokens=3, messages=[{"role": "user", "content": "one two"}]
    )
    response = openai_client.responses.create(model="gpt-4o", max_output_tokens=3, input="one two")
    assert (chat.choices[0].finish_reason, chat.choices[0].message.content) == ("length", "You said: one")
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 3)
    assert (response.status, response.output_text) == ("incomplete", "You said: one")


def test_a_response_comes_whole_or_as_numbered_events(openai_client: openai.OpenAI) -> None:
    whole = openai_client.responses.create(model="gpt-4.1", instructions="Be brief.", input="Good day")
    events = list(openai_client.responses.create(model="gpt-4.1", input="Good day", stream=True))
    assert whole.output_text == "You said: Be brief. Good day"
    assert whole.usage is not None
    assert (whole.usage.input_tokens, whole.usage.output_tokens) == (4, 6)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    last = events[-1]
    assert isinstance(last, ResponseCompletedEvent)
    assert last.response.output_text == "You said: Good day"


def test_a_legacy_completion_comes_whole_or_streamed(openai_client: openai.OpenAI) -> None:
    whole = openai_client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Good day")
    parts = list(openai_client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Good day", stream=True))
    assert whole.choices[0].text == "You said: Good day"
    assert "".join(part.choices[0].text for part in parts) == whole.choices[0].text


def test_embeddings_are_the_same_numbers_in_both_encodings(openai_client: openai.OpenAI) -> None:
    packed = openai_client.embeddings.create(model="text-embedding-3-small", input=["one two", "three"])
    floats = openai_client.embeddings.create(
        model="text-embedding-3-small", input=["one two", "three"], encoding_format="float"
    )
    assert [len(item.embedding) for item in packed.data] == [1536, 1536]
    assert packed.data[0].embedding == pytest.approx(floats.data[0].embedding, rel=1e-6)
    assert packed.data[0].embedding != packed.data[1].embedding
    assert packed.usage.prompt_tokens == 3


def test_models_are_listed_in_both_dialects(
    openai_client: openai.OpenAI, anthropic_client: anthropic.Anthropic
) -> None:
    assert "gpt-4o" in [model.id for model in openai_client.models.list()]
    assert "claude-haiku-4-5-20251001" in [model.id for model in anthropic_client.models.list()]


def test_a_message_comes_whole_or_streamed_with_the_same_words_and_usage(
    anthropic_client: anthropic.Anthropic,
) -> None:
    whole = anthropic_client.messages.create(
        model="claude-haiku-4-5", max_tokens=100, messages=[{"role": "user", "content": "Good day"}]
    )
    with anthropic_client.messages.stream(
        model="claude-haiku-4-5", max_tokens=100, messages=[{"role": "user", "content": "Good day"}]
    ) as stream:
        text = "".join(stream.text_stream)
        streamed = stream.get_final_message()
    assert whole.content[0].type == "text"
    assert whole.content[0].text == text == "You said: Good day"
    assert (whole.model, whole.stop_reason) == ("claude-haiku-4-5-20251001", "end_turn")
    assert streamed.usage.output_tokens == whole.usage.output_tokens == 4


def test_marked_blocks_are_written_to_the_cache_first_and_read_later(anthropic_client: anthropic.Anthropic) -> None:
    usages = [
        anthropic_client.messages.create(
            model="claude-haiku-4-5",
            max_tokens=100,
            system=[{"type": "text", "text": "a b c d", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
            messages=messages,  # type: ignore[arg-type]
        ).usage
        for messages in (
            [{"role": "user", "content": "e f"}],
            [
                {"role": "user", "content": "e f"},
                {"role": "assistant", "content": "g"},
                {"role": "user", "content": "h"},
            ],
        )
    ]
    first, later = usages
    assert (first.input_tokens, first.cache_creation_input_tokens, first.cache_read_input_tokens) == (2, 4, 0)
    assert first.cache_creation is not None
    assert first.cache_creation.ephemeral_1h_input_tokens == 4
    assert (later.input_tokens, later.cache_creation_input_tokens, later.cache_read_input_tokens) == (4, 0, 4)


def test_thinking_comes_as_a_block_of_its_own(anthropic_client: anthropic.Anthropic) -> None:
    with anthropic_client.messages.stream(
        model="claude-haiku-4-5",
        max_tokens=2000,
        thinking={"type": "enabled", "budget_tokens": 1024},
        messages=[{"role": "user", "content": "Good day"}],
    ) as stream:
        message = stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.usage.output_tokens == 4 + 13


def test_tokens_are_counted_ahead(anthropic_client: anthropic.Anthropic) -> None:
    count = anthropic_client.messages.count_tokens(
        model="claude-haiku-4-5", system="a b", messages=[{"role": "user", "content": "c"}]
    )
    assert count.input_tokens == 3


@pytest.mark.parametrize(
    ("status", "openai_error", "anthropic_error"),
    [
        (400, openai.BadRequestError, anthropic.BadRequestError),
        (401, openai.AuthenticationError, anthropic.AuthenticationError),
        (429, openai.RateLimitError, anthropic.RateLimitError),
        (500, openai.InternalServerError, anthropic.InternalServerError),
        (529, openai.InternalServerError, anthropic.InternalServerError),
    ],
)
def test_scripted_errors_are_the_sdks_own_exceptions(
    provider: FakeProviders,
    openai_client: openai.OpenAI,
    anthropic_client: anthropic.Anthropic,
    status: int,
    openai_error: type[openai.APIStatusError],
    anthropic_error: type[anthropic.APIStatusError],
) -> None:
    provider.script(Behaviour(status=status, headers=(("retry-after", "3"),)), times=2)
    with pytest.raises(openai_error) as from_openai:
        openai_client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])
    with pytest.raises(anthropic_error) as from_anthropic:
        anthropic_client.messages.create(
            model="claude-haiku-4-5", max_tokens=9, messages=[{"role": "user", "content": "hi"}]
        )
    assert f"told to answer {status}" in from_openai.value.message
    assert from_openai.value.response.headers["retry-after"] == "3"
    assert from_anthropic.value.response.json()["type"] == "error"


def test_an_unknown_path_is_not_found(openai_client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="Unknown request URL"):
        openai_client.files.list()


def test_a_body_without_its_fields_is_refused(provider: FakeProviders, anthropic_client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.BadRequestError, match="messages: field required"):
        anthropic_client.post("/v1/messages", body={"model": "claude-haiku-4-5"}, cast_to=object)


def test_an_error_in_the_middle_of_a_stream_is_raised_by_the_sdks(
    provider: FakeProviders, openai_client: openai.OpenAI, anthropic_client: anthropic.Anthropic
) -> None:
    provider.script(Behaviour(error_after=3), times=3)
    with pytest.raises(openai.APIError, match="The server had an error"):
        list(
            openai_client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "hi"}], stream=True
            )
        )
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        list(
            anthropic_client.messages.create(
                model="claude-haiku-4-5", max_tokens=9, messages=[{"role": "user", "content": "hi"}], stream=True
            )
        )
    # Of a response stream the error is an event like any other; the SDK hands it over.
    *_, last = openai_client.responses.create(model="gpt-4o", input="hi", stream=True)
    assert last.type == "error"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_compressed_answers_are_read_by_the_sdks(
    provider: FakeProviders, openai_client: openai.OpenAI, encoding: str
) -> None:
    provider.script(Behaviour(encoding=encoding), times=2)
    whole = openai_client.responses.create(model="gpt-4.1", input="Good day")
    events = list(openai_client.responses.create(model="gpt-4.1", input="Good day", stream=True))
    assert whole.output_text == "You said: Good day"
    assert events[-1].type == "response.completed"
