"""scripts/fuzz: its cases can be written to a file and sent again, and a short search finds nothing."""

import json
from pathlib import Path

import pytest

from scripts.fuzz import Tally, batch_of, replay, search
from scripts.fuzz_cases import KINDS, REQUEST, Case, framed


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_the_same_cases_each_time(kind: str) -> None:
    assert batch_of(kind, 5, 1) == batch_of(kind, 5, 1) != batch_of(kind, 5, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_case_is_the_same_after_a_file(kind: str) -> None:
    for case in batch_of(kind, 3, 1):
        assert Case.from_json(json.loads(json.dumps(case.to_json()))) == case


@pytest.mark.long
def test_a_short_search_finds_nothing(tmp_path: Path) -> None:
    tally = Tally(seed=1, folder=tmp_path)
    search(tmp_path, 10, tally)
    assert tally.finds == []
    assert tally.cases.total() > 0
    assert tally.rows > 0


@pytest.mark.long
def test_a_find_can_be_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = json.dumps(REQUEST).encode()
    headers = [(b"host", b"127.0.0.1"), (b"authorization", b"Bearer k"), (b"content-length", b"%d" % len(body))]
    request = framed(b"POST /groq/openai/v1/chat/completions HTTP/1.1", headers, body)
    case = Case("call", "plain", 0, (request,), framed(b"HTTP/1.1 418 Teapot", [(b"content-length", b"0")], b""))
    find = tmp_path / "find.json"
    find.write_text(json.dumps({"found": "a teapot", "seed": 1, "cases": [case.to_json()]}))
    assert replay(tmp_path, find)
    told = capsys.readouterr().out
    assert "a teapot" in told and "HTTP/1.1 418" in told and "all is well" in told
