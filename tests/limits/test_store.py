import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from addon.limits.policy import parse_policy
from addon.limits.sqlite_store import SqliteLimits
from addon.limits.store import RESERVED_S, BucketCharge, BudgetLine, Check, Reservation, Spend, Spent, StoreDown
from addon.limits.upper_bound import UpperBound
from tests.storage.calls import Clock

NOW = 1_795_262_400.0
TEN = Check(key="k|global|request", policy=parse_policy("10;w=3600"))
CENTS = Check(key="k|global|cents", policy=parse_policy("100;w=3600;u=cents"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "limits.sqlite"


def left(path: Path, check: Check, now: float = NOW) -> float:
    return SqliteLimits(path).decide([check], now).decisions[0].bucket.tokens


def test_all_checks_must_allow_or_none_is_taken_from(path: Path) -> None:
    store = SqliteLimits(path)
    one = Check(key="k|user|u|request", policy=parse_policy("1;w=3600;s=user"), per=" for user 'u'")
    assert store.decide([TEN, one], NOW).allowed
    verdict = store.decide([TEN, one], NOW)
    assert (verdict.allowed, verdict.refused) == (False, 1)
    assert left(path, TEN) == 8, "one by the first call, one by this look"


def test_no_checks_need_no_file(path: Path) -> None:
    assert SqliteLimits(path).decide([], NOW).allowed
    assert not path.exists()


def test_buckets_survive_a_restart(path: Path) -> None:
    store = SqliteLimits(path)
    for _ in range(10):
        assert store.decide([TEN], NOW).allowed
    store.close()
    assert not SqliteLimits(path).decide([TEN], NOW).allowed
    assert SqliteLimits(path).decide([TEN], NOW + 360).allowed


def test_the_file_is_private(path: Path) -> None:
    store = SqliteLimits(path)
    store.decide([TEN], NOW)
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


def test_a_hundred_calls_at_once_in_threads_use_exactly_the_quota(path: Path) -> None:
    store = SqliteLimits(path, patience_s=30)
    with ThreadPoolExecutor(20) as pool:
        verdicts = list(pool.map(lambda _: store.decide([TEN], NOW), range(100)))
    assert sum(verdict.allowed for verdict in verdicts) == 10


DECIDE_FIFTY_TIMES = f"""
import sys
from pathlib import Path
from addon.limits.policy import parse_policy
from addon.limits.sqlite_store import SqliteLimits
from addon.limits.store import Check
store = SqliteLimits(Path(sys.argv[1]), patience_s=30)
sys.stdin.readline()
check = Check(key="k", policy=parse_policy("10;w=3600"))
print(sum(store.decide([check], {NOW}).allowed for _ in range(50)))
"""


def test_a_hundred_calls_at_once_in_two_processes_use_exactly_the_quota(path: Path) -> None:
    command = [sys.executable, "-c", DECIDE_FIFTY_TIMES, str(path)]
    both = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    assert sum(int(process.communicate(timeout=60)[0]) for process in both) == 10


def test_a_call_is_charged_once_however_often_it_is_repeated(path: Path) -> None:
    store = SqliteLimits(path)
    charges = [BucketCharge(CENTS.key, CENTS.policy, 30), BucketCharge("other", CENTS.policy, 5)]
    for _ in range(3):
        store.settle("a", charges, [Spend("budget|b|", "2026-11", 300)], NOW)
    store.settle("b", charges[:1], [Spend("budget|b|", "2026-11", 100)], NOW)
    assert left(path, CENTS) == 40
    assert store.spent([("budget|b|", "2026-11"), ("budget|b|", "2026-12"), ("budget|c|", "2026-11")]) == [400, 0, 0]


def test_what_is_settled_leaves_no_mark(path: Path) -> None:
    store = SqliteLimits(path)
    for number in range(5):
        store.settle(f"call {number}", [BucketCharge("k", CENTS.policy, 1)], [], NOW, [f"call {number - 1}"])
    with sqlite3.connect(path) as connection:
        assert connection.execute("select call_id from charged").fetchall() == [("call 4",)]


def test_buckets_that_are_full_again_are_forgotten(path: Path) -> None:
    SqliteLimits(path).decide([TEN], NOW)
    SqliteLimits(path).decide([Check(key="another", policy=TEN.policy)], NOW + 3600)
    with sqlite3.connect(path) as connection:
        assert connection.execute("select key from buckets").fetchall() == [("another",)]


def test_a_recount_replaces_what_was_spent_and_charges_again_what_had_no_row(path: Path) -> None:
    store = SqliteLimits(path)
    assert not store.is_recounted()
    spend = Spend("budget|b|", "2026-11", 7)
    store.settle("settled", [], [spend], NOW)
    store.settle("died before its row", [BucketCharge(CENTS.key, CENTS.policy, 30)], [spend], NOW)
    store.replace_spend({("budget|b|", "2026-11"): 7}, NOW)
    store.settle("died before its row", [BucketCharge(CENTS.key, CENTS.policy, 30)], [spend], NOW)
    assert store.spent([("budget|b|", "2026-11")]) == [14]
    assert left(path, CENTS) == 70
    assert store.is_recounted()


@pytest.mark.parametrize("names", [["limits.sqlite"], ["limits.sqlite", "limits.sqlite-wal", "limits.sqlite-shm"]])
def test_a_file_deleted_while_in_use_is_made_again_for_all(path: Path, names: list[str]) -> None:
    ours, theirs = SqliteLimits(path), SqliteLimits(path)
    for store in (ours, theirs):
        assert store.decide([TEN], NOW).allowed
    for name in names:
        (path.parent / name).unlink()
    for number in range(1, 6):
        for offset, store in enumerate((ours, theirs)):
            remaining = store.decide([TEN], NOW).decisions[0].remaining
            assert remaining == 10 - 2 * number + 1 - offset


def test_garbage_is_named_and_left_alone(path: Path) -> None:
    path.write_bytes(b"not a database, but somebody's notes " * 100)
    with pytest.raises(StoreDown, match=r"limits\.sqlite: file is not a database; remove it"):
        SqliteLimits(path).decide([TEN], NOW)
    assert path.read_bytes().startswith(b"not a database")


def test_a_locked_file_is_down_and_not_waited_for_by_each_call(path: Path) -> None:
    clock = Clock()
    store = SqliteLimits(path, patience_s=0.01, clock=clock)
    store.decide([TEN], NOW)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("begin exclusive")
    with pytest.raises(StoreDown, match="locked"):
        store.decide([TEN], NOW)
    other.execute("rollback")
    with pytest.raises(StoreDown, match="locked"):
        store.decide([TEN], NOW)
    clock.now += 1
    assert store.decide([TEN], NOW).decisions[0].remaining == 8


def test_a_folder_that_is_not_there_is_down(tmp_path: Path) -> None:
    with pytest.raises(StoreDown, match="No such file"):
        SqliteLimits(tmp_path / "gone" / "limits.sqlite").decide([TEN], NOW)


def test_a_bug_in_between_leaves_no_transaction_open(path: Path) -> None:
    store = SqliteLimits(path)
    with pytest.raises(AttributeError):
        store.decide([TEN, None], NOW)  # type: ignore[list-item]
    assert store.decide([TEN], NOW).decisions[0].remaining == 9


def reservation(call_id: str, nanousd: int = 60, hard_nanousd: int | None = 100) -> Reservation:
    line = BudgetLine("budget|b|", "2026-11", hard_nanousd)
    return Reservation(call_id=call_id, budgets=(line,), bound=UpperBound(nanousd, 40))


def reserved(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        return int(connection.execute("select count(*) from reserved").fetchone()[0])


def test_of_many_calls_at_once_no_more_pass_a_budget_than_it_may_cost(path: Path) -> None:
    store = SqliteLimits(path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store.decide((), NOW, reservation(str(number))), range(20)))
    assert reserved(path) == 2  # the second one may go over; a third would for certain


def test_what_is_reserved_gives_way_to_the_truth(path: Path) -> None:
    store = SqliteLimits(path)
    assert store.decide((), NOW, reservation("a", 100)).spent == (Spent(0, 0),)
    assert store.decide((), NOW, reservation("b", 100)).spent == (Spent(0, 100),)
    for _ in range(2):  # a settler that died settles again
        store.settle("a", [], [Spend("budget|b|", "2026-11", 30)], NOW)
    assert store.decide((), NOW, reservation("c")).spent == (Spent(30, 0),)


def test_where_the_truth_is_never_known_what_was_reserved_is_charged_and_survives_a_recount(path: Path) -> None:
    store = SqliteLimits(path)
    store.decide([CENTS], NOW, reservation("a", 300_000_000))
    for _ in range(2):
        store.settle("a", [BucketCharge(CENTS.key, CENTS.policy, None)], [], NOW, unpriced=None)
    assert left(path, CENTS) == 70
    store.replace_spend({("budget|b|", "2026-11"): 7}, NOW)
    assert store.spent([("budget|b|", "2026-11")]) == [300_000_007]


def test_a_call_that_died_unseen_is_released_after_a_while(path: Path) -> None:
    store = SqliteLimits(path)
    store.decide((), NOW, reservation("a", 100))
    assert store.decide((), NOW + RESERVED_S + 1, reservation("b")).spent == (Spent(0, 0),)


def test_money_and_tokens_of_calls_under_way_are_taken_from_their_limits(path: Path) -> None:
    store = SqliteLimits(path)
    one = Reservation(call_id="a", budgets=(), bound=UpperBound(2_000_000_000, 40))
    assert store.decide([CENTS], NOW, one).allowed
    verdict = store.decide([CENTS], NOW, one)
    assert not verdict.allowed
    assert verdict.decisions[0].wait_s == 1  # then it is charged, and mostly with less


def test_a_call_that_a_limit_refuses_reserves_nothing(path: Path) -> None:
    store = SqliteLimits(path)
    for number in range(12):
        store.decide([TEN], NOW, reservation(str(number), hard_nanousd=None))
    assert reserved(path) == 10
