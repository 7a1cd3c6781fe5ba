import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from addon.metering.content_coding import MAX_DECODED_BYTES, Decoder, decode


def bare_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


def quick_brotli(data: bytes) -> bytes:
    """The best quality takes a minute for some hundred megabytes."""
    return bytes(brotli.compress(data, quality=4))


ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": quick_brotli,
    "zstd": zstandard.compress,
}
BODY = b"".join(b"%d squared is %d; " % (n, n * n) for n in range(60_000))


@given(st.binary(max_size=200), st.lists(st.sampled_from(sorted(ENCODERS)), max_size=3))
def test_every_encoding_and_every_stack_of_them_is_undone(body: bytes, names: list[str]) -> None:
    encoded = body
    for name in names:
        encoded = ENCODERS[name](encoded)
    assert decode(encoded, ", ".join(names)) == (body, True)


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_a_cut_body_gives_what_came_before_the_cut(name: str) -> None:
    encoded = ENCODERS[name](BODY)
    decoded, whole = decode(encoded[: len(encoded) * 3 // 4], name)
    assert not whole
    assert len(decoded) > len(BODY) // 10 and BODY.startswith(decoded)


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_a_body_that_is_not_what_it_says_stays_as_it_is(name: str) -> None:
    assert decode(b'{"not": "compressed"}', name) == (b'{"not": "compressed"}', False)


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_a_bomb_is_cut_at_the_cap(name: str) -> None:
    bomb = ENCODERS[name](bytes(MAX_DECODED_BYTES + 2**20))
    decoded, whole = decode(bomb, name)
    assert (len(decoded), whole) == (MAX_DECODED_BYTES, False)


def test_deflate_without_its_header_is_read_too() -> None:
    assert decode(bare_deflate(BODY), "deflate") == (BODY, True)


def test_several_members_are_one_body_and_what_follows_them_is_ignored() -> None:
    assert decode(gzip.compress(b"a") + gzip.compress(b"b") + b"\0\0", "gzip") == (b"ab", True)
    assert decode(zstandard.compress(b"a") + zstandard.compress(b"b"), "zstd") == (b"ab", True)


def test_names_are_read_in_any_case_and_unknown_ones_leave_the_body() -> None:
    assert decode(gzip.compress(b"a"), " GZIP ,identity") == (b"a", True)
    assert decode(b"a", None) == (b"a", True)
    assert decode(b"", "gzip") == (b"", True)
    assert decode(b"a", "compress") == (b"a", False)
    assert decode(gzip.compress(b"a"), "aes128gcm, gzip")[1] is False


@given(st.binary(max_size=300), st.sampled_from(sorted(ENCODERS)))
def test_nothing_raises(body: bytes, name: str) -> None:
    decode(body, name)


@given(st.binary(max_size=200), st.lists(st.sampled_from(sorted(ENCODERS)), max_size=3), st.integers(1, 50))
def test_in_pieces_of_any_size_a_body_is_the_same(body: bytes, names: list[str], size: int) -> None:
    encoded = body
    for name in names:
        encoded = ENCODERS[name](encoded)
    decoder = Decoder(", ".join(names))
    pieces = [decoder.feed(encoded[start : start + size]) for start in range(0, len(encoded), size)]
    assert b"".join(pieces) == body
    assert decoder.ended and not decoder.failed


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_a_piece_that_expands_beyond_its_bound_ends_the_decoding(name: str) -> None:
    decoder = Decoder(name)
    assert len(decoder.feed(ENCODERS[name](bytes(2**20)), at_most=1000)) == 1000
    assert decoder.overflowed
    assert decoder.feed(b"more") == b""


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_no_more_memory_is_taken_than_may_come_out(name: str) -> None:
    bomb = ENCODERS[name](bytes(200 * 2**20))
    tracemalloc.start()
    try:
        decoded, complete = decode(bomb, name, at_most=2**20)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (len(decoded), complete) == (2**20, False)
    assert peak < 10 * 2**20


def test_a_coding_under_another_that_expands_to_nothing_is_bounded_too() -> None:
    nothing = b"\x1f\x8b\x08" + bytes(7) + b"\x00\x00\x00\xff\xff" * 10_000_000  # empty blocks without an end
    decoder = Decoder("gzip, gzip", at_most=2**20)
    assert decoder.feed(gzip.compress(nothing)) == b""
    assert decoder.overflowed


def test_very_many_frames_or_codings_are_refused() -> None:
    frames = gzip.compress(b"") * 10_000
    assert decode(frames, "gzip") == (frames, False)
    body = b"a"
    for _ in range(5):
        body = gzip.compress(body)
    assert decode(body, ",".join(["gzip"] * 5)) == (body, False)
    assert decode(b"a", ",".join(["gzip"] * 10_000)) == (b"a", False)
