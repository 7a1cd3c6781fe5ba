"""A request as the blocks that a prompt cache reads in order."""

import json
from typing import Any

import pytest

from analysis.conversations.prompt_blocks import prompt_blocks, words_that_differ

TEXT = {"type": "text", "text": "Hi"}
MARKED = TEXT | {"cache_control": {"type": "ephemeral"}}


def places(body: dict[str, Any]) -> list[str] | None:
    blocks = prompt_blocks(json.dumps(body))
    return None if blocks is None else [block.place for block in blocks]


def contents(body: dict[str, Any]) -> list[bytes]:
    return [block.content for block in prompt_blocks(json.dumps(body)) or []]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {
                "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}],
                "system": "Be brief.",
                "tools": [{"name": "Read"}, {"name": "Write"}],
            },
            ["tool 1 (Read)", "tool 2 (Write)", "system", "message 1 (user)", "message 2 (assistant)"],
        ),
        (
            {"messages": [{"role": "system", "content": "x"}], "tools": [{"function": {"name": "look"}}]},
            ["tool 1 (look)", "message 1 (system)"],
        ),
        (
            {"input": [{"role": "user", "content": "Hi"}, {"type": "function_call"}], "instructions": "x"},
            ["system", "message 1 (user)", "message 2 (function_call)"],
        ),
        ({"input": "Hi"}, ["message 1"]),
        (
            {
                "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
                "systemInstruction": {"parts": [{"text": "x"}]},
                "tools": [{"functionDeclarations": [{"name": "f"}]}],
            },
            ["tool 1", "system", "message 1 (user)"],
        ),
        (
            {
                "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
                "system": [{"text": "x"}, {"cachePoint": {"type": "default"}}, {"text": "y"}],
                "toolConfig": {"tools": [{"toolSpec": {"name": "f"}}, {"cachePoint": {"type": "default"}}]},
            },
            ["tool 1 (f)", "system 1", "system 2", "message 1 (user)"],
        ),
    ],
    ids=["anthropic", "openai chat", "openai responses", "text alone", "gemini", "bedrock"],
)
def test_blocks_are_tools_then_system_then_messages(body: dict[str, Any], expected: list[str]) -> None:
    assert places(body) == expected


def test_a_cache_marker_is_not_part_of_the_prompt() -> None:
    plain = {"system": [TEXT], "messages": [{"role": "user", "content": "Hi"}]}
    marked = {"system": [MARKED], "messages": [{"role": "user", "content": [MARKED]}]}
    assert contents(plain) == contents(marked)


def test_the_order_of_members_is_part_of_the_prompt() -> None:
    one = {"messages": [{"role": "user", "content": [{"input": {"a": 1, "b": 2}}]}]}
    other = {"messages": [{"role": "user", "content": [{"input": {"b": 2, "a": 1}}]}]}
    assert contents(one) != contents(other)


@pytest.mark.parametrize(
    "body",
    [None, "", "{", "[]", '{"model": "m"}', '{"input": "and?", "previous_response_id": "resp_1"}', '{"messages": [1'],
)
def test_what_cannot_be_compared_has_no_blocks(body: str | None) -> None:
    assert prompt_blocks(body) is None


def test_a_message_that_is_nested_deep_is_a_block_too() -> None:
    body = '{"messages": [' + '{"content": [' * 450 + "]}" * 450 + "]}"
    assert [block.place for block in prompt_blocks(body) or []] == ["message 1"]


@pytest.mark.parametrize("messages", [1, "x", [None, 1, [], {}, [[]]], {"role": 3, "content": {"x": []}}])
def test_odd_messages_are_blocks_too(messages: Any) -> None:
    assert prompt_blocks(json.dumps({"messages": messages})) is not None


def test_blocks_differ_in_their_words_or_else_in_their_json() -> None:
    said = [{"role": "user", "content": text} for text in ("Good day.", "Good night.")]
    called = [{"role": "assistant", "content": [{"type": "tool_use", "name": "find", "input": {"for": "tea"}}]}]
    blocks = prompt_blocks(json.dumps({"messages": [*said, *called]})) or []
    assert words_that_differ(blocks[0].content, blocks[1].content) == ("Good day.", "Good night.")
    assert words_that_differ(blocks[0].content, blocks[2].content) == ("Good day.", "find input: for: tea")
    assert words_that_differ(b'{"type":"a"}', b'{"type":"b"}') == ('{"type":"a"}', '{"type":"b"}')
