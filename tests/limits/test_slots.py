"""Calls under way are bounded; those that wait for a slot get one in the order in which they came."""

import asyncio

import pytest

from addon.limits.slots import Overload, Slots


def slots(max_calls: int = 1, max_waiting: int = 10) -> Slots:
    return Slots(Overload(max_calls=max_calls, max_waiting=max_waiting))


def test_as_many_calls_as_allowed_get_a_slot_at_once() -> None:
    held = slots(max_calls=2)
    assert [held.take(call) for call in "abc"] == [True, True, False]
    held.leave("a")
    assert held.take("c")
    assert held.taken == 2


@pytest.mark.parametrize(
    ("workers", "each_has"), [(1, (10, 3, 5.0)), (2, (5, 2, 5.0)), (4, (3, 1, 5.0)), (20, (1, 1, 5.0))]
)
def test_workers_share_a_bound_out_and_each_has_at_least_one_slot(
    workers: int, each_has: tuple[int, int, float]
) -> None:
    each = Overload(max_calls=10, max_waiting=3).shared_out(workers)
    assert (each.max_calls, each.max_waiting, each.wait_s) == each_has


def test_no_line_stays_no_line() -> None:
    assert Overload(max_waiting=0).shared_out(4).max_waiting == 0


async def line_of(held: Slots, calls: str) -> list[asyncio.Future[None]]:
    turns = [held.line_up(call) for call in calls]
    return [turn for turn in turns if turn]


def test_a_slot_goes_to_the_call_that_waits_longest() -> None:
    async def scene() -> None:
        held = slots()
        assert held.take("a")
        first, second = await line_of(held, "bc")
        held.leave("a")
        assert (first.done(), second.done(), held.waiting) == (True, False, 1)
        assert not held.take("d"), "nobody passes the line"
        held.leave("b")
        assert second.done()
        held.leave("c")
        assert (held.taken, held.waiting) == (0, 0)

    asyncio.run(scene())


def test_a_call_that_waits_no_longer_leaves_its_place_to_the_next() -> None:
    async def scene() -> None:
        held = slots(max_waiting=2)
        assert held.take("a")
        _, second = await line_of(held, "bc")
        assert held.line_up("d") is None
        held.leave("b")
        assert held.line_up("d")
        held.leave("a")
        assert second.done()

    asyncio.run(scene())


def test_a_call_that_left_after_its_turn_came_gives_its_slot_back() -> None:
    async def scene() -> None:
        held = slots()
        assert held.take("a")
        _, second = await line_of(held, "bc")
        held.leave("a")
        held.leave("b")
        assert second.done()
        assert held.taken == 1

    asyncio.run(scene())


def test_a_larger_bound_lets_waiting_calls_go_at_once_and_a_smaller_one_ends_none() -> None:
    async def scene() -> None:
        held = slots()
        assert held.take("a")
        turns = await line_of(held, "bcd")
        held.use(Overload(max_calls=3))
        assert [turn.done() for turn in turns] == [True, True, False]
        held.use(Overload(max_calls=1))
        held.leave("a")
        held.leave("b")
        assert not turns[2].done()
        held.leave("c")
        assert turns[2].done()

    asyncio.run(scene())


def test_a_call_that_cannot_be_refused_is_counted() -> None:
    held = slots()
    held.take_anyway("a")
    held.take_anyway("b")
    held.leave("a")
    assert not held.take("c")
    held.leave("b")
    assert held.take("c")
    held.leave("never seen")
    assert held.taken == 1
