"""The life of a call: which moves are allowed, and that one that is not is seen."""

import logging
from itertools import pairwise

import pytest

from addon.calls.call_life import ILLEGAL_MOVE, MOVES, CallState, is_allowed
from tests.calls.calls import make_call
from tests.proxy.conftest import illegal_moves

LIVES = {
    "answered": "arrived asked sending answering finished ended",
    "retried": "arrived asked sending deciding sending answering finished ended",
    "hit or refused by a limit": "arrived asked answering finished ended",
    "shared": "arrived asked following answering finished ended",
    "never connected": "arrived asked sending deciding failed ended",
    "cut by the provider": "arrived asked sending answering ended",
    "left by the caller": "arrived ended",
}


@pytest.mark.parametrize("life", LIVES.values(), ids=LIVES)
def test_lives_that_calls_have(life: str, caplog: pytest.LogCaptureFixture) -> None:
    first, *others = [CallState(name) for name in life.split()]
    call = make_call()
    assert call.state is first
    for state in others:
        call.move_to(state)
    assert call.state is CallState.ENDED
    assert not caplog.records


@pytest.mark.parametrize("before", CallState)
def test_every_state_has_its_moves_and_all_but_the_last_may_end(before: CallState) -> None:
    assert is_allowed(before, CallState.ENDED) == (before is not CallState.ENDED)
    assert before not in MOVES[before]


def test_every_state_can_be_reached() -> None:
    reached, fresh = {CallState.ARRIVED}, {CallState.ARRIVED}
    while fresh:
        fresh = {after for before in fresh for after in MOVES[before]} - reached
        reached |= fresh
    assert reached == set(CallState)


@pytest.mark.parametrize("life", ["arrived sending", "arrived asked following sending", "arrived ended ended"])
def test_an_illegal_move_is_logged_and_the_call_goes_on(life: str, caplog: pytest.LogCaptureFixture) -> None:
    states = [CallState(name) for name in life.split()]
    call = make_call()
    with caplog.at_level(logging.ERROR):
        for _, state in pairwise(states):
            call.move_to(state)
    assert call.state is states[-1]
    (message,) = caplog.messages
    assert ILLEGAL_MOVE in message
    assert illegal_moves([message]) == [message]  # the fixture of every proxy under test fails on such a line
