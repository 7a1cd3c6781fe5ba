"""When a process that ended is started again."""

from addon.restarts import SETTLED_S, Restarts


def test_one_that_ends_soon_after_each_start_is_waited_for_longer_each_time() -> None:
    restarts = Restarts()
    assert [restarts.pause_s(1.0) for _ in range(5)] == [0.0, 0.25, 0.5, 1.0, 2.0]
    assert max(restarts.pause_s(1.0) for _ in range(9)) == 30.0


def test_one_that_worked_for_a_while_starts_at_once_again() -> None:
    restarts = Restarts()
    for _ in range(5):
        restarts.pause_s(1.0)
    assert restarts.pause_s(SETTLED_S) == 0.0
    assert restarts.pause_s(1.0) == 0.0
