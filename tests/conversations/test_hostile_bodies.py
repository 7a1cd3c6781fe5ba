"""No body makes a reader fail, and what it finds has the form of messages."""

import ast
import base64
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import addon.conversations
from addon.conversations import dialects, gemini, llama
from addon.conversations.model import Conversation, Dialect
from addon.conversations.read import Said, conversation
from addon.providers import registry
from addon.providers.model import Event, Json, Operation, Provider
from analysis.faces.conversation_text import conversation_lines
from tests.conversations.schema import check

# Every text in the readers: members, types, roles and names of events that they look for.
VOCABULARY = sorted(
    {
        node.value
        for file in Path(addon.conversations.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 60
    }
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 3),
    st.floats(allow_nan=False),
    st.text(max_size=4),
    st.sampled_from(VOCABULARY),
    st.sampled_from(["data:image/png;base64,aGk=", '{"a": 1}', "aGk=", "data:", "https://example.org/a.png"]),
)
BODIES: st.SearchStrategy[Json] = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(VOCABULARY), inner, max_size=6)
        | st.builds(
            lambda kind, rest: {**rest, "type": kind},
            st.sampled_from(VOCABULARY),
            st.dictionaries(st.sampled_from(VOCABULARY), inner, max_size=5),
        )
    ),
    max_leaves=25,
)
DIALECTS = {
    dialect.prompt.__module__ + (" live" if dialect is gemini.LIVE else ""): dialect
    for dialect in [
        *dialects._BY_NAME.values(),
        *(dialect for _, dialect in dialects._BY_PATH),
    ]
} | {"llama": llama.DIALECT}


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS.keys())
@given(
    request=BODIES, body=BODIES, chunks=st.lists(st.tuples(st.none() | st.sampled_from(VOCABULARY), BODIES), max_size=5)
)
@settings(max_examples=60, deadline=None)
def test_no_reader_fails(dialect: Dialect, request: Json, body: Json, chunks: list[tuple[str | None, Json]]) -> None:
    prompt = dialect.prompt(request)
    events = [Event(event=name, data=orjson.dumps(chunk).decode()) for name, chunk in chunks]
    for messages in (dialect.answer(body), dialect.answer(dialect.assemble(events))):
        found = Conversation(
            input_messages=prompt.messages,
            output_messages=tuple(messages),
            system_instructions=prompt.system_instructions,
            tool_definitions=prompt.tool_definitions,
            mcp_servers=prompt.mcp_servers,
        )
        check(found)
        assert all(line.isprintable() for line in conversation_lines(found))


OPERATIONS = [(provider, operation) for provider in registry.PROVIDERS for operation in provider.operations]


@given(call=st.sampled_from(OPERATIONS), body=BODIES, answer=BODIES, raw=st.binary(max_size=200), data=st.data())
@settings(max_examples=150, deadline=None)
def test_no_call_fails(
    call: tuple[Provider, Operation], body: Json, answer: Json, raw: bytes, data: st.DataObject
) -> None:
    provider, operation = call
    path = str(data.draw(st.from_regex(operation.path, fullmatch=True)))
    texts = [
        orjson.dumps(answer).decode(),
        "data: " + orjson.dumps(answer).decode() + "\n\n",
        raw.decode("utf-8", "replace"),
        f"data:application/vnd.amazon.eventstream;base64,{base64.b64encode(raw).decode()}",
        f"data:audio/mpeg;base64,{base64.b64encode(raw).decode()}",
        None,
    ]
    for response in texts:
        found = conversation(
            Said(
                provider_name=provider.name,
                operation_name=operation.name,
                method=operation.method,
                path=path,
                request_body=orjson.dumps(body).decode(),
                response_body=response,
            )
        )
        if found is not None:
            check(found)


def test_what_is_nested_too_deep_is_cut() -> None:
    deep = '{"messages": [{"role": "user", "content": [{"type": "x", "y": ' + '{"a":' * 500 + "1" + "}" * 500 + "}]}]}"
    found = conversation(
        Said(provider_name="openai", operation_name="chat", path="/v1/chat/completions", request_body=deep)
    )
    assert found is not None
    check(found)


NESTS = ("content", "parts", "result", "output", "response", "functionResponse", "tool_result", "toolResult", "summary")


@pytest.mark.parametrize("nest", NESTS)
def test_what_is_in_itself_many_times_is_read(nest: str) -> None:
    """Deeper than Python's stack of calls, if each level took two of them."""
    for kind in ("tool_result", "function_result", "model_output", "message", "function_call_output", "thinking"):
        block: Json = {"type": "text", "text": "x"}
        for _ in range(450):
            block = {"type": kind, "role": "user", nest: [block]}
        bodies: list[Json] = [
            {name: [block]} for name in ("messages", "contents", "input", "inputs", "content", "output")
        ]
        for dialect in DIALECTS.values():
            for body in bodies:
                dialect.prompt(body)
                dialect.answer(body)
