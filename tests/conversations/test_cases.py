"""Every case has its conversation, whichever way its answer is delivered."""

import json
from pathlib import Path

import pytest

from addon.conversations.dialects import SILENT, dialect_of
from addon.conversations.model import as_json
from addon.conversations.read import conversation
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


def test_every_operation_has_a_reader_or_says_nothing() -> None:
    request = {"messages": [{"role": "user", "content": "Hi"}], "prompt": "Hi"}
    names = {operation.name for provider in registry.PROVIDERS for operation in provider.operations}
    unread = {name for name in names - SILENT if dialect_of(name, "", request, None) is None}
    assert unread <= BY_SHAPE
