"""The scanner that sees a stream's terminal event go by, on the event loop."""

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from addon.metering.terminal import TerminalScanner
from addon.providers.anthropic import TERMINAL
from addon.providers.framing.table import SSE
from addon.providers.openai_shaped import DONE


def quick_brotli(data: bytes) -> bytes:
    """The best quality takes a minute for some hundred megabytes."""
    return bytes(brotli.compress(data, quality=4))


ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": quick_brotli,
    "zstd": zstandard.compress,
    "br, gzip": lambda body: gzip.compress(quick_brotli(body)),
}
STREAM = b"".join(b'data: {"choices":[{"delta":{"content":"%d"}}]}\n\n' % n for n in range(50)) + b"data: [DONE]\n\n"


@given(st.sampled_from(sorted(ENCODERS)), st.integers(1, 400))
def test_the_terminal_event_is_seen_in_every_coding_and_in_pieces_of_any_size(coding: str, size: int) -> None:
    scanner = TerminalScanner(SSE, DONE, coding)
    encoded = ENCODERS[coding](STREAM)
    seen = [scanner.feed(encoded[start : start + size]) for start in range(0, len(encoded), size)]
    assert seen[-1]


@pytest.mark.parametrize(
    "text", [b'data: {"x": "data: [DONE]"}\n\n', b"x data: [DONE]\n", b"a" * 200 + b"data: [DONE]\n"]
)
def test_words_inside_a_line_are_not_the_terminal_event(text: bytes) -> None:
    scanner = TerminalScanner(SSE, DONE, None)
    assert not any(scanner.feed(text[start : start + 7]) for start in range(0, len(text), 7))


def test_anthropics_event_is_known_by_its_name_and_by_its_data() -> None:
    for line in (b"event: message_stop\n", b'data: {"type":"message_stop"}\n'):
        assert TerminalScanner(SSE, TERMINAL, None).feed(line)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "br, gzip"])
def test_a_stream_that_expands_without_end_is_given_up_within_little_memory(coding: str) -> None:
    bomb = ENCODERS[coding](bytes(300 * 2**20) + b"\ndata: [DONE]\n")
    scanner = TerminalScanner(SSE, DONE, coding)
    tracemalloc.start()
    try:
        assert not scanner.feed(bomb)
        assert not scanner.feed(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * 2**20


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "compress"])
def test_what_is_not_in_the_coding_it_says_is_never_finished(coding: str) -> None:
    scanner = TerminalScanner(SSE, DONE, coding)
    assert not scanner.feed(b"data: [DONE]\n\n")
    assert not scanner.feed(b"data: [DONE]\n\n")
