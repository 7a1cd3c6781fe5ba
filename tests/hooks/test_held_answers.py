"""Answers that are held until their end are bounded together: where there is no room, the stored copy is cut."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from addon.calls.call import Call
from addon.config.controls import parse_controls
from addon.config.settings import Settings
from addon.hooks.capture import Capture
from addon.hooks.proxy import Proxy
from addon.hooks.services import open_services
from tests.calls.calls import make_call

MIB = 2**20


@pytest.fixture
def capture(tmp_path: Path) -> Iterator[Capture]:
    services = open_services(Settings(data=tmp_path, config=tmp_path / "heliograph.toml"))
    proxy = Proxy()
    proxy.calls.held_answers.most_bytes = 3 * MIB
    yield Capture(proxy, services)
    asyncio.run(services.close())


def withheld_call(capture: Capture) -> Call:
    call = make_call()
    call.asked = replace(call.asked, controls=parse_controls([("Helicone-Omit-Response", "true")]))
    capture.proxy.calls.begin(call, None)
    return call


def test_an_answer_for_which_there_is_no_room_is_cut_and_told(capture: Capture) -> None:
    first, second = withheld_call(capture), withheld_call(capture)
    for call in (first, second):
        for _ in range(4):
            capture.keep(call, b"x" * (MIB // 2))
    assert (len(first.copied.withheld), first.copied.response_truncated) == (2 * MIB, False)
    assert len(second.copied.withheld) < MIB
    assert (second.copied.response_bytes, second.copied.response_truncated) == (2 * MIB, True)
    assert int(capture.proxy.calls.held_answers) <= 3 * MIB


def test_the_end_of_a_call_makes_room(capture: Capture) -> None:
    for _ in range(5):
        call = withheld_call(capture)
        for _ in range(2):
            capture.keep(call, b"x" * MIB)
        assert not call.copied.response_truncated
        capture.proxy.calls.end_call(call)
    assert int(capture.proxy.calls.held_answers) == 0


def test_an_answer_that_goes_straight_into_the_journal_takes_no_room(capture: Capture) -> None:
    call = make_call()
    capture.proxy.calls.begin(call, None)
    capture.keep(call, b"x" * 5 * MIB)
    assert int(capture.proxy.calls.held_answers) == 0
    assert not call.copied.response_truncated
