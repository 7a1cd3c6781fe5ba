"""Events that repeat the one before them but for a piece of text are read as if each of them were parsed."""

import base64
import json
from collections.abc import Callable, Iterable
from itertools import zip_longest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addon.providers import anthropic, bedrock_converse, bedrock_invoke, ollama, openai_shaped
from addon.providers.framing import sse
from addon.providers.framing.aws_event_stream import encode
from addon.providers.framing.model import UNREAD, Event
from addon.providers.framing.table import AWS_EVENT_STREAM, SSE, body_events
from addon.providers.model import Reading

PIECES = ("Hel", "lo ", "", 'a "quote"', "back\\slash", "\n", "\u2028", "日本", "😀", '","x":"', "},", None, ["a"])
NOTHING = Event(None, "[]")  # says nothing; the next event has none like it before it


def chat(piece: object, more: dict[str, object], padding: str | None) -> str:
    chunk = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]}
    return compact(chunk | more | ({} if padding is None else {"obfuscation": padding}))


def message(piece: object, more: dict[str, object], padding: str | None) -> str:
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
    return compact(delta | more | ({} if padding is None else {"obfuscation": padding}))


def local(piece: object, more: dict[str, object], padding: str | None) -> str:
    """Ollama's, with the time as padding."""
    chunk = {"model": "m", "created_at": padding, "message": {"role": "assistant", "content": piece}, "done": False}
    return compact((chunk if padding is not None else {"model": "m", "response": piece}) | more)


def converse(piece: object, more: dict[str, object], padding: str | None) -> str:
    return compact(
        {"contentBlockIndex": 0, "delta": {"text": piece}} | more | ({} if padding is None else {"p": padding})
    )


def generation(piece: object, more: dict[str, object], padding: str | None) -> str:
    """Llama's on Bedrock, with a count as padding."""
    counted = None if padding is None else 10 ** len(padding) * 7
    return compact({"generation": piece, "prompt_token_count": None, "generation_token_count": counted} | more)


def compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


MORE: tuple[dict[str, object], ...] = (
    {},
    {},
    {},
    {"usage": {"prompt_tokens": 1, "completion_tokens": 2}},
    {"usage": {"prompt_tokens": 3, "completion_tokens": 4}},
    {"service_tier": "flex"},
    {"error": {"type": "overloaded"}},
    {"choices": [{"index": 1, "delta": {"content": "b"}}]},
    {"choices": [{"index": 0, "delta": {"content": "b", "refusal": "no"}}]},
    {"choices": [{"index": 0, "delta": {"content": "b"}, "finish_reason": "stop"}]},
    {"choices": [{"index": 0, "delta": {"content": "b"}, "text": "t"}]},
    {"content": "elsewhere"},
    {"delta": {"type": "thinking_delta", "thinking": "hm"}},
    {"delta": {"type": "text_delta", "text": "b", "thinking": "hm"}},
    {"type": "message_delta", "usage": {"output_tokens": 5}},
    {"done": True, "eval_count": 3},
    {"message": {"role": "assistant", "content": "b", "thinking": "hm"}},
    {"response": "r"},
    {"stop_reason": None},
    {"stop_reason": "stop"},
    {"generation_token_count": 10**13},
    {"prompt_token_count": 12},
    {"outputText": "o", "index": 0},
    {"outputs": [{"text": "t"}]},
    {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 3, "outputTokenCount": 4}},
)


@st.composite
def streams(draw: st.DrawFn, made: Callable[[object, dict[str, object], str | None], str]) -> list[str]:
    """Data of events; some are damaged."""
    found = []
    for _ in range(draw(st.integers(1, 8))):
        data = made(
            draw(st.sampled_from(PIECES)),
            draw(st.sampled_from(MORE)),
            draw(st.sampled_from((None, None, "", "ab", 'a"'))),
        )
        if draw(st.integers(0, 4)) == 0:
            start = draw(st.integers(0, len(data)))
            data = data[:start] + draw(st.sampled_from(('"', "\\", "}", "\x01", "x", ""))) + data[start + 1 :]
        found.append(data)
    return found


def read_both_ways(read: Callable[[Iterable[Event]], Reading], stream: list[str]) -> tuple[Reading, Reading]:
    """As it comes, and with something between each two events, so that none is like the one before it."""
    apart = [event for data in stream for event in (Event(None, data), NOTHING)]
    return read([Event(None, data) for data in stream]), read(apart)


@given(stream=streams(chat))
def test_chunks_of_a_chat_say_the_same(stream: list[str]) -> None:
    quick, slow = read_both_ways(openai_shaped.read_stream, stream)
    assert quick == slow


@given(stream=streams(message))
def test_deltas_of_a_message_say_the_same(stream: list[str]) -> None:
    quick, slow = read_both_ways(anthropic.read_stream, stream)
    assert quick == slow


@given(stream=streams(local))
def test_chunks_of_ollama_say_the_same(stream: list[str]) -> None:
    quick, slow = read_both_ways(ollama.read_stream, stream)
    assert quick == slow


@given(stream=streams(generation))
def test_chunks_of_a_model_on_bedrock_say_the_same(stream: list[str]) -> None:
    frames = [encode({":event-type": "chunk"}, wrapped(data)) for data in stream]
    apart = [frame for data in stream for frame in (encode({":event-type": "chunk"}, wrapped(data)), NOTHING_WRAPPED)]
    quick, slow = (
        bedrock_invoke.read_stream(body_events(AWS_EVENT_STREAM, b"".join(found))) for found in (frames, apart)
    )
    assert quick == slow


@given(stream=streams(converse), names=st.lists(st.sampled_from(["contentBlockDelta"] * 3 + ["metadata", "chunk"])))
def test_blocks_of_a_converse_stream_say_the_same(stream: list[str], names: list[str]) -> None:
    events = [Event(name, data) for name, data in zip(names, stream, strict=False)]
    apart = [one for event in events for one in (event, NOTHING)]
    body = b"".join(encode({":event-type": event.event or ""}, event.data.encode()) for event in events)
    expected = bedrock_converse.read_stream(apart)
    assert bedrock_converse.read_stream(events) == expected
    assert bedrock_converse.read_stream(body_events(AWS_EVENT_STREAM, body)) == expected


@given(stream=streams(chat), more=st.lists(st.sampled_from(("", ": c\n", "event: e\n", "data: {}\n", "\n"))))
def test_a_body_of_server_sent_events_says_the_same(stream: list[str], more: list[str]) -> None:
    body = "".join(f"{before}data: {data}\n\n" for before, data in zip_longest(more, stream, fillvalue="")).encode()
    apart = [one for event in sse.events(body) for one in (event, NOTHING)]
    assert openai_shaped.read_stream(body_events(SSE, body)) == openai_shaped.read_stream(apart)


def wrapped(data: str) -> bytes:
    return b'{"bytes":"%b"}' % base64.b64encode(data.encode())


NOTHING_WRAPPED = encode({":event-type": "chunk"}, wrapped("[]"))


@pytest.mark.parametrize(
    ("read", "made"),
    [
        (openai_shaped.read_stream, chat),
        (anthropic.read_stream, message),
        (bedrock_converse.read_stream, converse),
        (ollama.read_stream, local),
        (bedrock_invoke.read_stream, generation),
    ],
    ids=["chat", "message", "converse", "ollama", "invoke"],
)
@pytest.mark.parametrize("padding", [None, "abc"])
def test_a_piece_like_the_one_before_it_is_not_parsed(
    read: Callable[[Iterable[Event]], Reading],
    made: Callable[[object, dict[str, object], str | None], str],
    padding: str | None,
) -> None:
    name = "contentBlockDelta"  # of Converse; the others' data tells
    words = ("a", "b", ' "c"\n', "\\d\\")
    events = [Event(name, made(word, {}, padding and padding * number)) for number, word in enumerate(words)]
    assert read(events).text == "".join(words)
    assert [event.json is UNREAD for event in events] == [False, True, True, True]


def test_an_event_that_is_shorter_than_what_is_compared_is_parsed() -> None:
    whole = chat("", {}, None)
    overlapping = whole.replace('""', '"')
    quick, slow = read_both_ways(openai_shaped.read_stream, [whole, overlapping, chat("x", {}, None)])
    assert quick == slow
