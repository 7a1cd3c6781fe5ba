"""Asking a stream for its usage, and hiding it from a caller who did not ask."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addon.sending.stream_usage import UsageChunkFilter, with_include_usage


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ('{"stream":true}', '{"stream_options":{"include_usage":true},"stream":true}'),
        ('{ "stream": true, "n": 1.0 }', '{"stream_options":{"include_usage":true}, "stream": true, "n": 1.0 }'),
        ('{"stream":true,"stream_options":null}', '{"stream":true,"stream_options":{"include_usage":true}}'),
        ('{"stream":true,"stream_options": { }}', '{"stream":true,"stream_options": {"include_usage":true }}'),
        (
            '{"stream":true,"stream_options":{"include_obfuscation":false}}',
            '{"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false}}',
        ),
        (
            '{"stream":true,"stream_options":{"include_usage": false}}',
            '{"stream":true,"stream_options":{"include_usage": true}}',
        ),
    ],
)
def test_usage_is_asked_for_and_the_rest_of_the_body_stays(body: str, asked: str) -> None:
    fresh = with_include_usage(body.encode())
    assert fresh == asked.encode()
    assert json.loads(fresh)["stream_options"]["include_usage"] is True


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"{}", b'{"stream":false}', b'{"stream":null}', b'{"stream":"true"}', b'{"stream":1}'),
        *(b'{"stream":true,"stream_options":{"include_usage":true}}', b'{"stream":true,"stream_options":7}'),
        *(b'{"stream":true', b'{"stream":true,"m":"\xff"}', b"\x28\xb5\x2f\xfd compressed"),
    ],
)
def test_where_there_is_nothing_to_ask_the_body_passes_as_it_is(body: bytes) -> None:
    assert with_include_usage(body) is None


def test_asking_twice_is_asking_once() -> None:
    fresh = with_include_usage(b'{"stream":true,"messages":[]}')
    assert fresh is not None
    assert with_include_usage(fresh) is None


def test_numbers_and_escapes_of_the_caller_are_not_rewritten() -> None:
    body = b'{"stream":true,"seed":123456789012345678901234567890,"temperature":0.10,"messages":[{"content":"\\ud83d\\u00e9 \xc3\xa9"}]}'
    assert with_include_usage(body) == b'{"stream_options":{"include_usage":true},' + body[1:]


# As OpenAI sends it.
HEAD = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o","system_fingerprint":"fp"'
)
QUOTED = rb'"content":"say \"usage\":null, \"choices\":[] and \"usage\":{}"'
CHOICE = b',"choices":[{"index":0,"delta":{%b},"finish_reason":null}]'
EVENTS: list[tuple[bytes, bytes | None]] = [  # (with the option, without it)
    (
        HEAD + CHOICE % b'"content":"Hi"' + b',"usage":null,"obfuscation":"Ab1"}',
        HEAD + CHOICE % b'"content":"Hi"' + b',"obfuscation":"Ab1"}',
    ),
    (HEAD + CHOICE % QUOTED + b',"usage":null}', HEAD + CHOICE % QUOTED + b"}"),
    (HEAD + CHOICE % b"" + b', "usage": null }', HEAD + CHOICE % b"" + b" }"),
    (b": keep-alive", b": keep-alive"),
    (
        HEAD + b',"choices":[],"usage":null,"prompt_filter_results":0}',
        HEAD + b',"choices":[],"prompt_filter_results":0}',
    ),
    (
        HEAD + CHOICE % b'"usage":null' + b',"x":[{"usage":null}]}',
        HEAD + CHOICE % b'"usage":null' + b',"x":[{"usage":null}]}',
    ),
    (HEAD + CHOICE % b"" + b',"usage":{"prompt_tokens":9}}', HEAD + CHOICE % b"" + b',"usage":{"prompt_tokens":9}}'),
    (HEAD + b',"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2},"obfuscation":"q"}', None),
    (b"data: [DONE]", b"data: [DONE]"),
]


def stream(number: int, line_end: bytes) -> bytes:
    return b"".join(shown + line_end * 2 for event in EVENTS if (shown := event[number]))


def filtered(pieces: list[bytes]) -> bytes:
    hiding = UsageChunkFilter()
    shown = [part for piece in pieces for part in hiding.feed(piece)]
    assert b"" not in shown
    return b"".join(shown) + hiding.finish()


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_the_caller_gets_the_bytes_of_a_stream_that_was_not_asked(line_end: bytes) -> None:
    asked, plain = stream(0, line_end), stream(1, line_end)
    assert filtered([asked]) == plain
    assert filtered([asked[at : at + 1] for at in range(len(asked))]) == plain
    for cut in range(1, len(asked)):
        assert filtered([asked[:cut], asked[cut:]]) == plain, cut


@given(
    cuts=st.lists(st.integers(0, len(stream(0, b"\r\n"))), max_size=12),
    line_end=st.sampled_from([b"\n", b"\r\n", b"\r"]),
)
def test_wherever_it_is_cut(cuts: list[int], line_end: bytes) -> None:
    asked = stream(0, line_end)
    at = [0, *sorted(min(cut, len(asked)) for cut in cuts), len(asked)]
    assert filtered([asked[a:b] for a, b in pairwise(at)]) == stream(1, line_end)


def test_no_whole_event_waits_for_the_next_piece() -> None:
    hiding = UsageChunkFilter()
    for asked, plain in EVENTS:
        assert hiding.feed(asked + b"\n\n") == ([plain + b"\n\n"] if plain else [])
        assert hiding.held == b""


def test_a_comment_that_keeps_the_connection_alive_does_not_wait_for_an_event() -> None:
    hiding = UsageChunkFilter()
    assert hiding.feed(b": PROCESSING\n") == [b": PROCESSING\n"]
    assert hiding.feed(b"\n") == [b"\n"]
    assert hiding.feed(b": PROC") == []
    assert hiding.feed(b"ESSING\n\ndata") == [b": PROCESSING\n\n"]


def test_a_last_event_without_its_blank_line_counts() -> None:
    asked = stream(0, b"\n").removesuffix(b"\n\n")
    assert filtered([asked]) == stream(1, b"\n").removesuffix(b"\n\n")
    usage_last = EVENTS[0][0] + b"\n\n" + EVENTS[7][0]
    assert filtered([usage_last]) == (EVENTS[0][1] or b"") + b"\n\n"


@pytest.mark.parametrize("cut", [1, 40, len(EVENTS[0][0]) - 2])
def test_what_a_cut_stream_leaves_is_not_lost(cut: int) -> None:
    assert filtered([EVENTS[2][0] + b"\n\n" + EVENTS[0][0][:cut]]).endswith(b"\n\n" + EVENTS[0][0][:cut])


def test_of_a_usage_chunk_that_is_cut_in_two_nothing_is_shown() -> None:
    usage = EVENTS[7][0]
    assert filtered([b"data: [DONE]\n\n" + usage[: usage.index(b"completion_tokens")]]) == b"data: [DONE]\n\n"


def test_an_endless_event_passes_as_it_comes() -> None:
    hiding = UsageChunkFilter()
    long = b"data: " + b"x" * 300_000
    assert hiding.feed(long) == [long]
    assert hiding.feed(b"y\n") + hiding.feed(b"\ndata: z\n\n") == [b"y\n\ndata: z\n\n"]


@pytest.mark.parametrize(
    "content", [b"", b"this is plain text", b'{"error": {"message": "usage"}}', b"\xff\xfe\n\n\x00"]
)
def test_content_that_is_not_a_stream_passes_unchanged(content: bytes) -> None:
    assert filtered([content]) == content
