"""The times of a stream's pieces, in bounded room."""

import orjson

from addon.metering.piece_times import MOST_PIECES, PieceTimes, read_piece_times


def kept(pieces: list[tuple[int, int]]) -> list[tuple[int, int, int]]:
    """What is read back of pieces that are given as (milliseconds, bytes)."""
    times, offset = PieceTimes(), 0
    for at_ms, length in pieces:
        times.add(at_ms, offset)
        offset += length
    text = times.as_json(offset)
    assert text is None or len(text) < 4000
    return read_piece_times(text)


def test_a_short_stream_is_kept_piece_by_piece() -> None:
    assert kept([(412, 380), (425, 120), (460, 90)]) == [(412, 0, 380), (425, 380, 120), (460, 500, 90)]


def test_an_answer_without_pieces_has_no_times() -> None:
    assert PieceTimes().as_json(0) is None
    assert read_piece_times(None) == []


def test_pieces_of_the_same_millisecond_are_one() -> None:
    assert kept([(5, 10), (5, 20), (6, 1)]) == [(5, 0, 30), (6, 30, 1)]


def test_a_long_stream_is_kept_more_coarsely_and_no_byte_is_lost() -> None:
    found = kept([(20 * number, 100) for number in range(10_000)])
    assert MOST_PIECES // 4 < len(found) <= MOST_PIECES
    assert found[0] == (0, 0, 100 * (found[1][1] // 100))
    assert sum(length for _, _, length in found) == 1_000_000
    assert all(offset == at_ms * 5 for at_ms, offset, _ in found)
    assert found[-1][0] > 190_000


def test_a_clock_that_goes_back_adds_nothing() -> None:
    assert kept([(50, 10), (20, 10), (60, 5)]) == [(50, 0, 20), (60, 20, 5)]


def test_text_that_is_not_ours_has_no_pieces() -> None:
    for text in ("nonsense", "{}", "[1]", "[[1]]", '[["a", 2]]'):
        assert read_piece_times(text) == []
    assert orjson.loads(PieceTimes().as_json(0) or "[]") == []
