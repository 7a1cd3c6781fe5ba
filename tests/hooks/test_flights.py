"""Identical calls: which ones follow, and that a complete answer is a hit."""

import asyncio

import pytest
from mitmproxy import http
from mitmproxy.test.tflow import tflow

from addon.caching.policy import CachePolicy
from addon.calls.call import LONGEST_LAG, Call, Flight, FlightFailed
from addon.calls.failures import Failure
from addon.calls.flights import Flights
from addon.hooks.coalesce import answer_from_flight, flight_key
from tests.calls.calls import make_call


def asking(key: str = "key") -> tuple[http.HTTPFlow, Call]:
    call = make_call()
    call.sharing.cache_keys = (key,)
    return tflow(), call


def under_way(flights: Flights) -> Flight:
    flow, call = asking()
    flight = Flight(call=call, key=flight_key(flow, call), policy=CachePolicy(read=True, save=True))
    flights.start(flight)
    flight.begin(http.Response.make(200, b"", {"content-type": "application/json"}))
    flight.add(b"one ")
    return flight


def ask(flights: Flights, flow: http.HTTPFlow, call: Call) -> bool:
    return asyncio.run(answer_from_flight(flights, flow, call))


def test_a_call_follows_an_identical_one_that_is_under_way() -> None:
    flights = Flights()
    flight, (flow, call) = under_way(flights), asking()
    assert ask(flights, flow, call)
    assert (call.sharing.status, call.sharing.follows, flow.response) == ("coalesced", flight, None)
    assert flight.call.sharing.is_shared
    flights.leave(call)
    assert not flight.call.sharing.is_shared


def test_a_call_that_finds_the_answer_whole_is_a_hit() -> None:
    flights = Flights()
    flight, (flow, call) = under_way(flights), asking()
    flight.add(b"two")
    flight.finish(flight.call.began_at + 1.5)
    assert ask(flights, flow, call)
    assert (call.sharing.status, call.sharing.follows, call.attempts.made) == ("hit", None, 0)
    assert call.sharing.reference and call.sharing.reference.request_id == flight.call.asked.start.request_id
    assert flow.response and flow.response.content == b"one two"
    assert flow.response.headers["helicone-cache-latency"] == "1500"


def test_a_flight_that_is_closed_or_of_another_key_is_not_joined() -> None:
    flights = Flights()
    flight = under_way(flights)
    assert not ask(flights, *asking("another key"))
    flights.close(flight)
    assert not ask(flights, *asking())


def test_a_follower_hears_all_pieces_and_then_the_failure() -> None:
    async def listen() -> list[bytes]:
        flight, heard = under_way(Flights()), []
        flight.fail(Failure.PROVIDER, "it broke")
        try:
            async for part in flight.parts():
                heard.append(part if isinstance(part, bytes) else b"head")
        except FlightFailed as failed:
            heard.append(failed.failure.encode())
        return heard

    assert asyncio.run(listen()) == [b"head", b"one ", b"provider"]


async def taken(flight: Flight, most: int) -> list[bytes]:
    parts = flight.parts()
    await anext(parts)  # the head
    pieces = [await anext(parts) for _ in range(most)]
    return [piece for piece in pieces if isinstance(piece, bytes)]


def test_a_follower_gets_an_answer_that_is_there_in_writes_of_bounded_size() -> None:
    flight = under_way(Flights())
    for _ in range(40):
        flight.add(b"x" * 50_000)
    pieces = asyncio.run(taken(flight, 8))
    assert max(map(len, pieces)) <= 256 * 2**10
    assert sum(map(len, pieces)) == 4 + 40 * 50_000


def test_of_a_long_answer_the_beginning_is_dropped_and_a_slow_follower_is_cut() -> None:
    flight = under_way(Flights())
    flight.call.copied.response_truncated = True

    async def follow() -> None:
        slow = flight.parts()
        await anext(slow)
        assert await anext(slow) == b"one "
        for _ in range(100):
            flight.add(b"x" * 2**20)
        assert flight.kept_bytes <= LONGEST_LAG
        assert sum(map(len, flight.pieces)) == flight.kept_bytes
        with pytest.raises(FlightFailed) as failed:
            await anext(slow)
        assert failed.value.failure is Failure.TOO_SLOW

    asyncio.run(follow())
