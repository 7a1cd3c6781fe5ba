"""A recording on disk: what is written is read, and everything else is refused in words."""

import json
from pathlib import Path

import pytest

from addon.recordings.model import Piece
from addon.recordings.recording_file import RecordingError, read, write
from tests.recordings.calls import asked, recorded


def test_what_is_written_is_read(tmp_path: Path) -> None:
    calls = [
        recorded(),
        recorded(
            b"\xff\xfe form",
            question=asked(b"\xff\xfe form", content_type="multipart/form-data; boundary=x"),
            pieces=(Piece(1, b"data: \xc3"), Piece(9, b"\xa9\n\n")),
            cut="the provider closed the connection",
            status=429,
        ),
        recorded(pieces=()),
    ]
    file = tmp_path / "recordings" / "it.jsonl"
    write(file, calls)
    assert read(file) == calls


def test_it_is_text_with_a_line_for_each_piece_and_sorted_names(tmp_path: Path) -> None:
    file = tmp_path / "it.jsonl"
    write(file, [recorded({"model": "m", "input": "é"}, pieces=(Piece(1, b"data: 1\n\n"), Piece(2, b"data: 2\n\n")))])
    lines = file.read_text().splitlines()
    assert json.loads(lines[0]) == {"heliograph_recording": 1}
    assert lines[2] == '{"call": 1, "request": {"input": "é", "model": "m"}}'
    assert lines[4] == '{"call": 1, "at_ms": 1, "text": "data: 1\\n\\n"}'
    assert lines[-1] == '{"call": 1, "ended_at_ms": 7}'


@pytest.mark.parametrize("body", [b'{"a": 1, "a": 2}', b'{"a": NaN}', b'{"a": "\\ud800"}', b"[1]", b"", b"no json"])
def test_a_body_that_json_would_change_is_kept_as_its_text(tmp_path: Path, body: bytes) -> None:
    file = tmp_path / "it.jsonl"
    write(file, [recorded(body)])
    assert read(file)[0].question.body == body


def test_large_numbers_stay_exact(tmp_path: Path) -> None:
    file = tmp_path / "it.jsonl"
    write(file, [recorded(b'{"seed": 123456789012345678901234567890, "t": 0.1}')])
    assert json.loads(read(file)[0].question.body) == {"seed": 123456789012345678901234567890, "t": 0.1}


def damaged(tmp_path: Path, change: tuple[str, str]) -> str:
    file = tmp_path / "it.jsonl"
    write(file, [recorded(), recorded()])
    text = file.read_text()
    assert change[0] in text
    file.write_text(text.replace(*change, 1))
    with pytest.raises(RecordingError) as error:
        read(file)
    return str(error.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('{"heliograph_recording": 1}', '{"heliograph_recording": 7}'), "version 7 of recordings"),
        (('{"heliograph_recording": 1}', '{"model": "x"}'), "not a recording: it does not begin with"),
        (('{"call": 1, "ended_at_ms": 7}', ""), "line 7 is damaged: it belongs to call 2, and call 1 is not complete"),
        (('{"call": 1, "at_ms": 6', '{"call": 1, "at_ms": six'), "line 5 is damaged: Expecting value"),
        (('"text": "{\\"n\\": 1}"', '"b64": "%%"'), "line 5 is damaged"),
        (('{"call": 1, "request"', '{"call": 1, "rquest"'), "line 3 is damaged: not a line of a call"),
        (('{"call": 1, "status": 200', '{"call": 1, "state": 200'), "line 4 is damaged: not a line of a call"),
    ],
)
def test_a_damaged_file_names_the_line(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    assert says in damaged(tmp_path, change)


def test_a_file_that_was_cut_says_so(tmp_path: Path) -> None:
    file = tmp_path / "it.jsonl"
    write(file, [recorded(), recorded()])
    whole = file.read_bytes()
    lines = whole.splitlines(keepends=True)
    for cut in (whole[:-5], b"".join(lines[:-1]), b"".join(lines[:9])):
        file.write_bytes(cut)
        with pytest.raises(RecordingError, match="the file was cut; record it again"):
            read(file)


def test_a_file_that_is_not_there_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"no such recording; make it with heliograph record .*none.jsonl"):
        read(tmp_path / "none.jsonl")
