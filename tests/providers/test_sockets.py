"""What the messages of a WebSocket say of calls: their heads, and which call each one belongs to."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addon.providers import mistral_realtime, openai_translations
from addon.providers.gemini_sockets import LIVE
from addon.providers.openai_sockets import REALTIME, RESPONSES
from addon.providers.sockets import (
    READ_HERE_BYTES,
    CallsUnderWay,
    Said,
    SocketProtocol,
    Step,
    head_of,
    leading_members,
    said_by,
    said_in,
)

LONG = "x" * READ_HERE_BYTES


def said(protocol: SocketProtocol, message: Any, *, from_client: bool = False) -> Said | None:
    """None: a large message whose beginning does not tell; it is parsed in a thread."""
    return said_by(protocol, json.dumps(message).encode(), from_client=from_client)


def step(protocol: SocketProtocol, message: Any, *, from_client: bool = False) -> Step | None:
    found = said(protocol, message, from_client=from_client)
    return found.step if found else None


def test_the_leading_members_end_at_the_first_long_one() -> None:
    message = b' { "event_id" : "e1","n":-1.5e3,"ok":true,"none":null,"type":"t","delta":"%b","late":"no"}' % (
        b"A" * 9000
    )
    assert leading_members(message) == {"event_id": "e1", "n": -1500.0, "ok": True, "none": None, "type": "t"}
    assert leading_members(b'{"a":"escaped \\" quote","type":"t"}') == {}
    assert leading_members(b"[1]") == leading_members(b"") == {}


@pytest.mark.parametrize("size", [10, READ_HERE_BYTES])
def test_words_in_a_string_are_not_an_event(size: int) -> None:
    words = '{"type":"response.completed"}' * (size // 10)
    assert step(RESPONSES, {"type": "response.output_text.delta", "delta": words}) is Step.GOES_ON


def test_a_large_final_event_is_known_by_its_beginning() -> None:
    event = {"type": "response.completed", "sequence_number": 9, "response": {"type": "error", "text": LONG}}
    assert step(RESPONSES, event) is Step.ENDS
    assert said(RESPONSES, event | {"stream_id": "lane"}) is None  # the lane comes last: parsed whole


def test_a_caller_cannot_hide_that_it_asks() -> None:
    two_types = b'{"type":"other","input":"%b","type":"response.create"}' % LONG.encode()
    escaped = b'{"type":"other","input":"%b","t\\u0079pe":"response.create"}' % LONG.encode()
    for message in (two_types, escaped):
        assert head_of(RESPONSES, message, from_client=True)[1] is False
    assert step(RESPONSES, {"input": LONG, "type": "response.create"}, from_client=True) is None
    assert step(RESPONSES, {"type": "response.create", "input": LONG}, from_client=True) is Step.ASKS
    nan = b'{"type":"response.create","temperature":NaN}'  # JSON for some servers
    assert RESPONSES.from_client(head_of(RESPONSES, nan, from_client=True)[0]).step is Step.ASKS


_KINDS = ["response.output_text.delta", "response.steer.delta", "response.completed", "error", "response.a\u0062.delta"]
_MEMBERS = st.sampled_from(
    [
        *(f'"type":{json.dumps(kind)}' for kind in _KINDS),
        *('"stream_id":"lane"', '"stream_id":null', '"t\\u0079pe":"error"', '"delta":"\\"type\\":"', '"delta":"type"'),
        *('"response":{"type":"error"}', '"delta":"words"', "garbage", ""),
    ]
)


@given(st.lists(_MEMBERS, max_size=4), st.sampled_from(["{}", "{", "[{}]", " {}"]))
def test_a_delta_that_is_not_parsed_says_what_it_says_parsed(members: list[str], around: str) -> None:
    start, _, end = around.partition("}")
    message = f"{start}{','.join(members)}{'}' if '}' in around else ''}{end}".encode()
    for protocol in (RESPONSES, REALTIME):
        head, is_known = head_of(protocol, message, from_client=False)
        assert is_known
        assert said_by(protocol, message, from_client=False) == said_in(protocol, head, from_client=False)


def test_large_pieces_of_sound_are_not_parsed() -> None:
    delta = {"type": "response.output_audio.delta", "event_id": "e", "response_id": "r", "delta": LONG}
    found = said(REALTIME, delta)
    assert found
    assert (found.step, found.key) == (Step.GOES_ON, "r")
    assert step(REALTIME, {"type": "input_audio_buffer.append", "audio": LONG}, from_client=True) is Step.SOUND


@pytest.mark.parametrize("protocol", [RESPONSES, REALTIME, LIVE])
@pytest.mark.parametrize("odd", [None, [], 1, "x", {}, {"type": 1}, {"type": []}, {"serverContent": 3}, {"setup": [1]}])
def test_odd_messages_raise_nothing(protocol: SocketProtocol, odd: Any) -> None:
    for from_client in (True, False):
        assert step(protocol, odd, from_client=from_client) is not None


def test_a_turn_of_gemini_ends_before_its_usage_or_with_it() -> None:
    ends = said(LIVE, {"serverContent": {"turnComplete": True}})
    assert ends
    assert (ends.step, ends.more_may_come) == (Step.ENDS, True)
    with_usage = said(LIVE, {"serverContent": {"turnComplete": True}, "usageMetadata": {"totalTokenCount": 3}})
    assert with_usage
    assert not with_usage.more_may_come
    assert step(LIVE, {"usageMetadata": {"totalTokenCount": 3}}) is Step.ADDS


def test_responses_begin_in_the_order_they_were_asked_for() -> None:
    calls: CallsUnderWay[str] = CallsUnderWay()
    for name in ("a", "b"):
        calls.ask(name, Said(step=Step.ASKS))
    assert calls.of(Said(step=Step.BEGINS, key="r1")) == "a"
    assert calls.of(Said(step=Step.BEGINS, key="r2")) == "b"
    assert calls.of(Said(step=Step.GOES_ON, key="r1")) == "a"
    assert calls.end(Said(step=Step.ENDS, key="r1")) == "a"
    assert calls.of(Said(step=Step.BEGINS, key="r3")) is None  # nobody asked for it
    assert calls.drop_all() == ["b"]
    assert len(calls) == 0


def test_an_error_ends_the_call_that_it_names() -> None:
    calls: CallsUnderWay[str] = CallsUnderWay()
    for name in ("a", "b"):
        calls.ask(name, Said(step=Step.ASKS, event_id=f"event {name}"))
    assert calls.fail(Said(step=Step.FAILS, event_id="event a")) == "a"
    assert calls.fail(Said(step=Step.FAILS, event_id="of a session.update")) is None
    assert calls.of(Said(step=Step.BEGINS)) == "b"
    assert calls.fail(Said(step=Step.FAILS)) is None  # it has begun
    assert calls.fail(Said(step=Step.FAILS, ends_begun=True)) == "b"


@pytest.mark.parametrize(
    ("protocol", "words", "ends"),
    [
        (openai_translations.SESSION, "session.output_transcript.delta", "session.closed"),
        (mistral_realtime.SESSION, "transcription.text.delta", "transcription.done"),
    ],
    ids=["translation", "transcription"],
)
def test_a_session_of_speech_is_one_call(protocol: SocketProtocol, words: str, ends: str) -> None:
    began, spoke, ended = (said(protocol, {"type": kind}) for kind in ("session.created", words, ends))
    assert began and spoke and ended
    assert [one.step for one in (began, spoke, ended)] == [Step.BEGINS, Step.GOES_ON, Step.ENDS]
    assert began.key == spoke.key == ended.key
    assert spoke.brings_words
    assert step(protocol, {"type": "session.update", "session": {}}, from_client=True) is Step.SETTINGS
    assert step(protocol, {"type": "error", "error": {"message": "no"}}) is Step.FAILS


def test_a_long_piece_of_sound_for_a_transcription_is_known_by_its_beginning() -> None:
    sound = {"type": "input_audio.append", "audio": LONG}
    assert step(mistral_realtime.SESSION, sound, from_client=True) is Step.SOUND
