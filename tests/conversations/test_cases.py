"""Every case has its conversation, whichever way its answer is delivered."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from addon.conversations.dialects import SILENT, dialect_of
from addon.conversations.model import Conversation, as_json
from addon.conversations.read import Said, conversation
from addon.providers import registry
from tests.conversations.reading import FILES, Case
from tests.conversations.schema import check

# Their models decide, not their paths.
BY_SHAPE = {"inference", "predict", "guardrail"}


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_a_case_has_its_conversation(file: Path) -> None:
    case = Case(file)
    calls = list(case.calls())
    assert calls
    for said in calls:
        found = conversation(said)
        assert found is not None
        check(found)
        assert json.loads(as_json(found)) == case.expected


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_white_space_around_an_answer_says_nothing(file: Path) -> None:
    """JSON that ends in a line break is not a stream of lines."""
    case = Case(file)
    for said in case.calls():
        if said.response_body and said.response_body == case.told.get("answer") and said.response_body[0] in "{[":
            found = conversation(replace(said, response_body=json.dumps(json.loads(said.response_body)) + "\r\n"))
            assert found is not None
            assert json.loads(as_json(found)) == case.expected


def call(request: str | None, answer: str | None, operation: str = "chat") -> Conversation:
    path = "/v1/chat/completions"
    found = conversation(
        Said(
            provider_name="openai",
            operation_name=operation,
            host="api.openai.com",
            path=path,
            request_body=request,
            response_body=answer,
        )
    )
    assert found is not None
    return found


def test_a_body_that_was_cut_is_marked() -> None:
    found = call('{"messages": [{"role": "user", "content": "He', '{"choices": [{"mess')
    assert found.input_messages[0]["parts"] == [
        {"type": "unreadable_body", "raw": '{"messages": [{"role": "user", "content": "He'}
    ]
    assert found.output_messages[0]["parts"] == [{"type": "unreadable_body", "raw": '{"choices": [{"mess'}]


def test_json_with_a_broken_letter_is_not_a_file() -> None:
    """Bodies that are not UTF-8 are kept as `data:` URLs, JSON too."""
    found = call('{"messages": [{"role": "user", "content": "Hi"}]}', "data:application/json;base64,eyJhIjogIv8ifQ==")
    assert [part["type"] for part in found.output_messages[0]["parts"]] == ["unreadable_body"]


def test_every_operation_has_a_reader_or_says_nothing() -> None:
    request = {"messages": [{"role": "user", "content": "Hi"}], "prompt": "Hi"}
    names = {operation.name for provider in registry.PROVIDERS for operation in provider.operations}
    unread = {name for name in names - SILENT if dialect_of(name, "", request, None) is None}
    assert unread <= BY_SHAPE
