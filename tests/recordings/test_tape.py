"""Which recorded call answers a live one, and what is said where none does."""

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import zstandard

from addon.recordings.model import Piece, Question, RecordedCall
from addon.recordings.recording_file import read
from addon.recordings.tape import Taken, Tape, Unmatched, path_of, without_secrets
from tests.recordings.calls import HELLO, asked, recorded


def tape(calls: Sequence[RecordedCall], **options: Any) -> Tape:
    return Tape(Path("it.jsonl"), calls, **{"records": False} | options)


def answer(tape: Tape, question: Question) -> bytes:
    found = tape.find(question)
    assert isinstance(found, RecordedCall), found
    return found.pieces[0].data


def refusal(tape: Tape, question: Question) -> str:
    found = tape.find(question)
    assert isinstance(found, Unmatched)
    return found.message


@pytest.mark.parametrize(
    "now",
    [
        asked({"messages": HELLO["messages"], "model": "gpt-4o-mini"}),  # another order of names
        asked(HELLO | {"user": "u2", "metadata": {"run": 7}, "prompt_cache_key": "x"}),
        asked(b' {"model":"gpt-4o-mini",\n"messages":[{"content":"Hello","role":"user"}]}'),
    ],
)
def test_a_call_is_known_again_in_another_writing(now: Question) -> None:
    assert answer(tape([recorded()]), now) == b'{"n": 1}'


def test_dates_times_and_ids_in_texts_may_change_and_an_exact_match_comes_first() -> None:
    def said(day: str, run: str = "0199a3f2-7c1e-7b3a-9d2f-3f1d2c4b5a69") -> dict[str, str]:
        return {"input": f"It is {day}. Run {run}."}

    it = tape([recorded(said("2025-11-21"), b"1"), recorded(said("2025-11-22T10:00:00Z"), b"2")])
    assert answer(it, asked(said("2025-11-22T10:00:00Z"))) == b"2"
    assert answer(it, asked(said("2026-01-01 08:15", "0199a3f2-7c1e-7b3a-9d2f-000000000000"))) == b"1"


def test_parameters_of_the_path_may_come_in_any_order() -> None:
    it = tape([recorded(question=asked(target="/v1/x?a=1&b=2"))])
    assert answer(it, asked(target="/v1/x?b=2&a=1"))


def test_the_boundary_of_a_form_does_not_count() -> None:
    def form(boundary: str) -> Question:
        body = f'--{boundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--{boundary}--\r\n'
        return asked(body.encode(), content_type=f"multipart/form-data; boundary={boundary}")

    assert answer(tape([recorded(question=form("abc"))]), form("0123456789"))


@pytest.mark.parametrize(
    "now",
    [
        asked(HELLO | {"temperature": 1.0}),
        asked(HELLO | {"model": "gpt-4o"}),
        asked(provider="groq"),
        asked(target="/v1/responses"),
        asked(method="GET"),
        asked(HELLO | {"n": True}),
    ],
)
def test_another_question_is_not_answered(now: Question) -> None:
    assert "it.jsonl has no answer for" in refusal(tape([recorded(), recorded(HELLO | {"n": 1})]), now)


def test_identical_calls_are_answered_in_recorded_order_and_the_last_repeats() -> None:
    it = tape([recorded(answer=b"429", status=429), recorded({"input": "other"}), recorded(answer=b"200")])
    assert [answer(it, asked()) for _ in range(4)] == [b"429", b"200", b"200", b"200"]
    assert it.unused() == [2]


def test_what_differs_from_the_nearest_is_said() -> None:
    long = "Where is my parcel? " * 20
    calls = [
        recorded({"model": "other", "messages": [{"role": "user", "content": "Bye"}]}),
        recorded(
            {"model": "gpt-4o", "messages": [{"role": "system", "content": "Be brief."}, {"content": long}], "n": 1}
        ),
    ]
    now = {
        "model": "gpt-4o-mini",
        "temperature": 0.2,
        "messages": [{"role": "system", "content": "Be brief."}, {"content": f"{long}Now!"}, {}],
    }
    assert refusal(tape(calls), asked(now)).splitlines() == [
        "it.jsonl has no answer for POST /v1/chat/completions (gpt-4o-mini); the nearest is call 2, which differs:",
        '  model: recorded "gpt-4o", now "gpt-4o-mini"',
        "  messages: recorded 2 of them, now 3",
        '  messages[1].content: recorded "...el? Where is my parcel? ", now "...el? Where is my parcel? Now!"',
        "  n: recorded 1, now left out",
        "  temperature: now 0.2, not in the recorded call",
    ]


def test_a_call_of_another_provider_or_path_is_named_so() -> None:
    said = refusal(tape([recorded()]), asked(provider="groq", target="/v1/responses"))
    assert (
        '  provider: recorded "openai", now "groq"\n  target: recorded "/v1/chat/completions", now "/v1/responses"'
        in said
    )


def test_many_differences_are_cut_short() -> None:
    said = refusal(tape([recorded({f"a{n}": n for n in range(40)})]), asked({f"b{n}": n for n in range(40)}))
    assert said.endswith("and 72 more")


def test_an_empty_recording_says_so() -> None:
    assert refusal(tape([]), asked()).endswith("it has no calls")


def test_strict_takes_each_call_once_and_in_order() -> None:
    it = tape([recorded({"input": 1}, b"1"), recorded({"input": 2}, b"2")], is_strict=True)
    assert "the next call in it is call 1, which differs:\n  input: recorded 1, now 2" in refusal(
        it, asked({"input": 2})
    )
    assert answer(it, asked({"input": 1})) == b"1"
    assert answer(it, asked({"input": 2})) == b"2"
    assert refusal(it, asked({"input": 2})).endswith("all its calls are used up")
    assert len(it.problems) == 2


def test_strict_names_calls_that_were_not_made() -> None:
    it = tape([recorded({"input": n}) for n in range(3)], is_strict=True)
    answer(it, asked({"input": 0}))
    assert it.problems == ["it.jsonl: 2 of 3 recorded calls were not made: 2, 3"]
    assert tape([recorded()]).problems == []


def test_calls_are_written_in_the_order_in_which_they_began(tmp_path: Path) -> None:
    it = Tape(tmp_path / "it.jsonl", None, records=True)
    first, second = it.begin(), it.begin()
    it.take(Taken(number=second, call=recorded({"input": 2})))
    it.take(Taken(number=first, call=recorded({"input": 1})))
    it.save()
    assert [call.question.body for call in read(it.path)] == [b'{"input": 1}', b'{"input": 2}']


def test_nothing_recorded_leaves_the_older_file_alone(tmp_path: Path) -> None:
    (tmp_path / "it.jsonl").write_text("older")
    Tape(tmp_path / "it.jsonl", None, records=True).save()
    assert (tmp_path / "it.jsonl").read_text() == "older"


def test_a_secret_across_two_pieces_is_masked_and_the_pieces_keep_their_bounds() -> None:
    pieces = (Piece(1, b"data: sk-proj-abcdef"), Piece(2, b"ghijklmnopqrst\n\n"))
    clean = without_secrets(Taken(number=1, call=recorded(pieces=pieces)))
    assert clean.pieces == (Piece(1, b"data: sk-***********"), Piece(2, b"**************\n\n"))


def test_an_answer_that_came_compressed_is_written_readable() -> None:
    coded = gzip.compress(b'{"n": 1}')
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    clean = without_secrets(
        Taken(number=1, call=recorded(headers=headers, pieces=(Piece(3, coded[:9]), Piece(4, coded[9:]))))
    )
    assert (clean.pieces, clean.headers) == ((Piece(3, b'{"n": 1}'),), {"content-type": "application/json"})


def test_a_request_in_zstd_is_compared_and_written_decoded() -> None:
    coded = zstandard.ZstdCompressor().compress(b'{"input": 1}')
    clean = without_secrets(Taken(number=1, call=recorded(coded), request_encoding="zstd"))
    assert clean.question.body == b'{"input": 1}'


@pytest.mark.parametrize(
    ("name", "path"),
    [("shop", "recordings/shop.jsonl"), ("cases/shop", "cases/shop"), ("shop.jsonl", "shop.jsonl"), ("./shop", "shop")],
)
def test_a_name_or_a_path(name: str, path: str) -> None:
    assert path_of(name) == Path(path)
