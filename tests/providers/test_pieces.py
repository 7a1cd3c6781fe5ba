"""Events that repeat the one before them but for a piece of text are read as if each of them were parsed."""

import json
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addon.providers import anthropic, openai_shaped
from addon.providers.framing.model import Event
from addon.providers.model import Reading

PIECES = ("Hel", "lo ", "", 'a "quote"', "back\\slash", "\n", "\u2028", "日本", "😀", '","x":"', "},", None, ["a"])
NOTHING = Event(None, "[]")  # says nothing; the next event has none like it before it


def chat(piece: object, more: dict[str, object], padding: str | None) -> str:
    chunk = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]}
    return compact(chunk | more | ({} if padding is None else {"obfuscation": padding}))


def message(piece: object, more: dict[str, object], padding: str | None) -> str:
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
    return compact(delta | more | ({} if padding is None else {"obfuscation": padding}))


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


@pytest.mark.parametrize(
    ("read", "made"), [(openai_shaped.read_stream, chat), (anthropic.read_stream, message)], ids=["chat", "message"]
)
@pytest.mark.parametrize("padding", [None, "abc"])
def test_a_piece_like_the_one_before_it_is_not_parsed(
    read: Callable[[Iterable[Event]], Reading],
    made: Callable[[object, dict[str, object], str | None], str],
    padding: str | None,
) -> None:
    events = [Event(None, made(word, {}, padding and padding * number)) for number, word in enumerate(("a", "b", "c"))]
    assert read(events).text == "abc"
    assert [event.repeats for event in events] == [False, True, True]


def test_an_event_that_is_shorter_than_what_is_compared_is_parsed() -> None:
    whole = chat("", {}, None)
    overlapping = whole.replace('""', '"')
    quick, slow = read_both_ways(openai_shaped.read_stream, [whole, overlapping, chat("x", {}, None)])
    assert quick == slow
