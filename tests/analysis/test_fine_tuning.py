"""Fine-tuning sets: each conversation once, in the shapes that the trainers document."""

import json
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from addon.commands.export import export
from addon.storage.record import FeedbackRow, ScoreRow
from tests.analysis.conversing import TOOL, WEATHER, answer, call, chat, tool_calls
from tests.analysis.writing import settle_bodies, tell

Line = dict[str, Any]
PICTURE = "data:image/png;base64,iVBORw0KGgo="
ASKED = ("user", "Weather in Rome?")


def set_of(data: Path, *options: str, form: str = "openai") -> Result:
    given = ["fine-tuning", "--data", str(data), "--since", "1970-01-01", "--format", form, *options]
    result = CliRunner().invoke(export, given)
    assert result.exit_code == 0, result.output
    return result


def lines(data: Path, *options: str, form: str = "openai") -> list[Line]:
    return [json.loads(line) for line in set_of(data, *options, form=form).stdout.splitlines()]


def one(data: Path, form: str, request: object, response: object, shape: str = "openai") -> Line:
    settle_bodies(data, [call(1, request, response, shape=shape)], 1)
    (line,) = lines(data, form=form)
    return line


def problems(line: Line) -> list[str]:
    """The checks of OpenAI's cookbook (examples/Chat_finetuning_data_prep.ipynb), with those of its API for tools."""
    found = [] if isinstance(line.get("messages"), list) else ["no messages"]
    open_ids: set[str] = set()
    for message in line["messages"]:
        if message.get("role") not in ("system", "user", "assistant", "tool"):
            found.append("unrecognized role")
        if set(message) - {"role", "content", "name", "tool_calls", "tool_call_id", "weight"}:
            found.append("unrecognized key")
        if not isinstance(message.get("content"), str | list) and not message.get("tool_calls"):
            found.append("missing content")
        if open_ids and message["role"] != "tool":
            found.append("a call without its result")
        if message["role"] == "tool":
            open_ids.remove(message["tool_call_id"])
        for each in message.get("tool_calls", ()):
            open_ids.add(each["id"])
            assert isinstance(json.loads(each["function"]["arguments"]), dict)
    if line["messages"][-1]["role"] != "assistant":
        found.append("does not end with an answer")
    return found


def test_openai_lines_have_tools_calls_and_results(tmp_path: Path) -> None:
    request = {
        "model": "gpt-4o",
        "tools": [TOOL, {"type": "web_search"}],
        "parallel_tool_calls": False,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Weather in Rome?"},
            {"role": "assistant", "content": None, "tool_calls": tool_calls('{"city": "Rome"}')},
            {"role": "tool", "tool_call_id": "call_0", "content": "sunny"},
        ],
    }
    line = one(tmp_path, "openai", request, answer("Sunny.", reasoning_content="The tool says so."))
    assert problems(line) == []
    assert line["tools"] == [TOOL]
    assert line["parallel_tool_calls"] is False
    roles = [message["role"] for message in line["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "assistant"]
    assert line["messages"][2]["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city":"Rome"}'}
    assert line["messages"][4] == {"role": "assistant", "content": "Sunny."}
    assert "The tool says so" not in json.dumps(line)


ANTHROPIC = {
    "model": "claude-sonnet-4-5",
    "system": [{"type": "text", "text": "Be brief."}],
    "tools": [{"name": "weather", "description": "Of a city", "input_schema": WEATHER}],
    "messages": [
        {"role": "user", "content": "Weather in Rome?"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "I need the tool.", "signature": "x"},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "sunny"}]},
                {"type": "text", "text": "In one word, please."},
            ],
        },
    ],
}
ANTHROPIC_ANSWER = {
    "type": "message",
    "role": "assistant",
    "content": [{"type": "text", "text": "Sunny."}],
    "stop_reason": "end_turn",
}


def test_a_conversation_of_one_provider_takes_every_form(tmp_path: Path) -> None:
    settle_bodies(tmp_path, [call(1, ANTHROPIC, ANTHROPIC_ANSWER, shape="anthropic")], 1)
    (openai,) = lines(tmp_path)
    assert problems(openai) == []
    assert openai["tools"] == [TOOL]
    assert openai["messages"][0] == {"role": "system", "content": "Be brief."}
    assert [message["role"] for message in openai["messages"][1:]] == ["user", "assistant", "tool", "user", "assistant"]

    told = set_of(tmp_path, form="anthropic")
    anthropic = json.loads(told.stdout)
    assert anthropic["system"] == "Be brief."
    assert anthropic["tools"] == [{"name": "weather", "description": "Of a city", "input_schema": WEATHER}]
    assert anthropic["messages"] == [
        {"role": "user", "content": "Weather in Rome?"},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"},
                {"type": "text", "text": "In one word, please."},
            ],
        },
        {"role": "assistant", "content": "Sunny."},
    ]
    assert "1 of them with tools or images" in told.stderr

    told = set_of(tmp_path, form="sharegpt")
    sharegpt = json.loads(told.stdout)
    places = [turn["from"] for turn in sharegpt["conversations"]]
    assert places == ["human", "function_call", "observation", "gpt"]
    assert json.loads(sharegpt["conversations"][1]["value"]) == {"name": "weather", "arguments": {"city": "Rome"}}
    assert sharegpt["conversations"][2]["value"] == "sunny\n\nIn one word, please."
    assert json.loads(sharegpt["tools"])[0]["parameters"] == WEATHER
    assert "1 of them without the words beside a tool call" in told.stderr


def test_words_alone_are_what_bedrock_documents(tmp_path: Path) -> None:
    request = chat(("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello"), ("user", "Bye"))
    line = one(tmp_path, "anthropic", request, answer("Goodbye"))
    assert line == {
        "system": "Be brief.",
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello"},
            {"role": "user", "content": "Bye"},
            {"role": "assistant", "content": "Goodbye"},
        ],
    }


def test_calls_without_ids_get_some(tmp_path: Path) -> None:
    """Gemini's calls have none; its results come in the order of the calls."""
    request = {
        "tools": [{"functionDeclarations": [{"name": "weather", "description": "Of a city", "parameters": WEATHER}]}],
        "contents": [
            {"role": "user", "parts": [{"text": "Rome and Oslo?"}]},
            {
                "role": "model",
                "parts": [{"functionCall": {"name": "weather", "args": {"city": city}}} for city in ("Rome", "Oslo")],
            },
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"name": "weather", "response": {"sky": sky}}} for sky in ("sunny", "snow")
                ],
            },
        ],
    }
    response = {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "Sun, snow."}]}, "finishReason": "STOP"}]
    }
    line = one(tmp_path, "openai", request, response, shape="gemini")
    assert problems(line) == []
    calls, *results = line["messages"][1:4]
    assert [each["id"] for each in calls["tool_calls"]] == [result["tool_call_id"] for result in results]
    assert "sunny" in results[0]["content"]


def test_images_are_as_openai_documents_them_and_left_out_of_sharegpt(tmp_path: Path) -> None:
    content = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": PICTURE}}]
    request = {"model": "gpt-4o", "messages": [{"role": "user", "content": content}]}
    line = one(tmp_path, "openai", request, answer("A dot."))
    assert line["messages"][0]["content"] == content
    (line,) = lines(tmp_path, form="anthropic")
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    assert line["messages"][0]["content"][1] == {"type": "image", "source": source}
    told = set_of(tmp_path, form="sharegpt")
    assert (told.stdout, "left out 1: images" in told.stderr) == ("", True)


def test_of_a_session_only_the_longest_conversation_is_taken(tmp_path: Path) -> None:
    turns = [("user", "one"), ("assistant", "1"), ("user", "two"), ("assistant", "2"), ("user", "three")]
    calls = [
        call(1, chat(*turns[:1]), answer("1")),
        call(2, chat(*turns[:3]), answer("2")),
        call(3, chat(*turns), answer("3")),
        call(4, chat(*turns[:3]), answer("another 2")),  # asked again, and answered otherwise
        call(5, chat(*turns[:1]), answer("1")),  # the same once more
        call(6, chat(("system", "Be brief."), *turns[:1]), answer("1")),  # another conversation
    ]
    settle_bodies(tmp_path, calls, 1)
    told = set_of(tmp_path)
    answers = [json.loads(line)["messages"][-1]["content"] for line in told.stdout.splitlines()]
    assert answers == ["3", "another 2", "1"]
    assert "3 of 6 calls, about " in told.stderr
    assert "left out 2: the beginning of a longer conversation that is taken" in told.stderr
    assert "left out 1: the same input and answer as another" in told.stderr


@pytest.mark.parametrize(
    ("request_body", "response", "more", "reason"),
    [
        (chat(ASKED), answer("half", "length"), {}, "the answer is not complete"),
        (chat(ASKED), answer("no", "content_filter"), {}, "the answer is not complete"),
        (chat(ASKED), answer(""), {}, "the answer has neither words nor a tool call"),
        (chat(ASKED), answer(None, refusal="I will not."), {}, "the model refused"),
        (chat(ASKED), {"error": {"message": "no"}}, {"status": 500}, "an error, or an answer that broke off"),
        (chat(ASKED), answer("x"), {"error_type": "upstream_disconnected"}, "an error, or an answer that broke off"),
        (None, None, {}, "bodies that were not kept"),
        (chat(ASKED), answer("x"), {"operation_name": "embeddings"}, "not a conversation"),
        (chat(ASKED, ("system", "Now in French.")), answer("x"), {}, "a system message in the middle"),
        (
            chat(ASKED),
            answer(None, "tool_calls", tool_calls=tool_calls('{"city":')),
            {},
            "a tool call whose arguments are not JSON",
        ),
        ('{"model": "gpt-4o", "messages": [{"ro', answer("x"), {}, "a body that cannot be read"),
    ],
)
def test_what_is_not_an_example_is_left_out_and_counted(
    tmp_path: Path, request_body: object, response: object, more: dict[str, Any], reason: str
) -> None:
    settle_bodies(tmp_path, [call(1, request_body, response, **more), call(2, chat(ASKED), answer("Sunny."))], 1)
    told = set_of(tmp_path)
    assert len(told.stdout.splitlines()) == 1
    assert f"left out 1: {reason}" in told.stderr, told.stderr


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six calls: rated, scored and with properties, each in its own way."""
    data = tmp_path_factory.mktemp("rated")
    calls = [
        call(number, chat(("user", f"question {number}")), answer(str(number)), properties={"feature": feature})
        for number, feature in enumerate(("chat", "chat", "search", "search", "it's", "chat"))
    ]
    settle_bodies(data, calls, 1)
    ids = [row.request_id for row, _ in calls]
    at = datetime(2026, 11, 20, tzinfo=UTC)
    ratings = [FeedbackRow(request_id=ids[number], created_at=at, rating=number != 3) for number in (0, 2, 3)]
    scores = [
        ScoreRow(request_id=ids[number], created_at=at, name="accuracy", value=value)
        for number, value in enumerate((0.9, 0.8, 0.5))
    ]
    tell(data, [*ratings, *scores], 2)
    return data


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (("--rating", "positive"), "02"),
        (("--rating", "negative"), "3"),
        (("--score", "accuracy>=0.8"), "01"),
        (("--score", "accuracy < 0.6"), "2"),
        (("--score", "accuracy>=0.8", "--score", "accuracy<0.85"), "1"),
        (("--property", "Feature=search"), "23"),
        (("--property", "feature=it's"), "4"),
        (("--rating", "positive", "--property", "feature=chat"), "0"),
        (("--where", "session_id is null or true", "--rating", "positive"), "02"),
    ],
)
def test_calls_are_chosen_by_rating_score_and_property(rated: Path, options: tuple[str, ...], wanted: str) -> None:
    assert "".join(line["messages"][-1]["content"] for line in lines(rated, *options)) == wanted


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--score", "accuracy"), "--score 'accuracy': write a name, >=, >, <=, < or =, and a number"),
        (("--score", "accuracy>=high"), "--score 'accuracy>=high': write a name"),
        (("--property", "feature"), "--property feature: write NAME=VALUE"),
        (("--where", "modle = 1"), "there is no column 'modle'"),
        (("--format", "alpaca"), "'alpaca' is not one of"),
    ],
)
def test_wrong_choices_are_wrong_usage(rated: Path, options: tuple[str, ...], says: str) -> None:
    given = ["fine-tuning", "--data", str(rated), "--since", "1970-01-01", "--format", "openai", *options]
    result = CliRunner().invoke(export, given)
    assert (result.exit_code, says in result.stderr) == (2, True), result.stderr


def test_the_tokens_that_it_names_are_about_those_of_the_texts(tmp_path: Path) -> None:
    words = " ".join(["word"] * 1000)
    settle_bodies(tmp_path, [call(number, chat(("user", f"{number} {words}")), answer("x")) for number in range(3)], 1)
    told = set_of(tmp_path).stderr
    tokens = int(told.partition("about ")[2].partition(" tokens")[0].replace(",", ""))
    assert 3000 <= tokens <= 3030
    assert Counter(told.split())["calls,"] == 1


@pytest.mark.parametrize("form", ["openai", "anthropic", "sharegpt"])
def test_redact_puts_pseudonyms_in_the_place_of_secrets(tmp_path: Path, form: str) -> None:
    settle_bodies(tmp_path, [call(1, chat(("user", "Mail ann@example.org")), answer("To ann@example.org?"))], 1)
    plain, redacted = set_of(tmp_path, form=form).stdout, set_of(tmp_path, "--redact", form=form).stdout
    assert plain.count("ann@example.org") == 2
    pseudonyms = re.findall(r"<[a-z]+:[0-9a-f]{12}>", redacted)
    assert (len(pseudonyms), len(set(pseudonyms)), "ann@example.org" in redacted) == (2, 1, False)
    assert json.loads(redacted).keys() == json.loads(plain).keys()
