"""Calls are journalled as the proxy does, settled by the real settler, and what they cost is found in the store."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import orjson
import pytest

from addon.limits.policy import parse_policy
from addon.limits.rules import NANO, Budget, Match
from addon.limits.sqlite_store import SqliteLimits
from addon.limits.store import BudgetLine, Check, Reservation, StoreDown
from addon.limits.upper_bound import Rates, UpperBound, rates_of
from addon.metering.price import PriceList
from addon.settling.charging import Charger, bucket_charges, spends_of
from addon.settling.journal_reader import Call
from addon.settling.merge import merge_day
from addon.settling.rates import rate_table
from addon.settling.recount import recount
from addon.settling.rows import bare_rows, make_rows
from addon.settling.settler import Settler
from addon.storage.folders import Folders
from addon.storage.journal import Journal
from addon.storage.journal_lines import CallEnd, Charge
from addon.storage.record import BodyRow, RequestRow
from tests.storage.calls import DAY_US, NOON_US, Clock, call_start, ids

NOW = NOON_US / 1e6
AT = datetime.fromtimestamp(NOW, UTC)
CENTS = Charge(key="k|global|cents", unit="cents", quota=100, window_s=86_400 * 365)
TOKENS = replace(CENTS, key="k|global|tokens", unit="tokens", quota=1000)
BUDGETS = (
    Budget(name="all", usd=Decimal(5), period="month"),
    Budget(name="today", usd=Decimal(5), period="day"),
    Budget(name="user", usd=Decimal(5), period="month", per="user"),
    Budget(name="feature", usd=Decimal(5), period="month", per="property:feature"),
    Budget(name="key", usd=Decimal(5), period="day", per="key", match=Match(properties=(("team", "red"),))),
    Budget(name="gpt", usd=Decimal(5), period="month", per="model", match=Match(model="GPT-4*")),
)
PRICES = PriceList()
real_rows = partial(make_rows, price_list=PRICES)


def journal_in(data: Path) -> Journal:
    journal = Journal(Folders(data).journal, segment_bytes=2**40, segment_age_s=2**40)
    journal.open()
    return journal


def journal_chat(
    journal: Journal,
    call_id: str,
    at_us: int = NOON_US,
    model: str = "gpt-4o",
    charges: tuple[Charge, ...] = (),
    **start: object,
) -> None:
    """A call of 1000 tokens in, 100 out: 0.35 cents at gpt-4o's prices."""
    answer = {
        "id": call_id,
        "object": "chat.completion",
        "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
    }
    journal.start(call_id, replace(call_start(call_id, at_us), **start))  # type: ignore[arg-type]
    journal.piece(call_id, "request", orjson.dumps({"model": model, "messages": []}))
    journal.piece(call_id, "response", orjson.dumps(answer))
    journal.end(call_id, CallEnd(status=200, content_type="application/json", charges=list(charges)), final=True)


CHAT_NANOUSD = 3_500_000


def settler_in(
    data: Path, budgets: tuple[Budget, ...] = BUDGETS, clock: Callable[[], float] = time.monotonic, grace_s: float = 15
) -> Settler:
    charger = Charger(data, SqliteLimits(Folders(data).limits, clock=clock), budgets, print)
    return Settler(Folders(data), real_rows, bare_rows, charger=charger, clock=clock, grace_s=grace_s)


def spend(data: Path) -> dict[tuple[str, str], int]:
    with sqlite3.connect(Folders(data).limits) as connection:
        return {(key, period): cost for key, period, cost in connection.execute("select * from spend")}


def left(data: Path, charge: Charge) -> float:
    policy = parse_policy(f"{charge.quota:g};w={charge.window_s};u=cents")
    decision = SqliteLimits(Folders(data).limits).decide([Check(key=charge.key, policy=policy)], time.time())
    return decision.decisions[0].bucket.tokens


def near(value: float) -> object:
    return pytest.approx(value, abs=0.05)  # what a bucket of a year refills while a test runs is less


def test_a_call_is_charged_with_what_it_cost_and_used(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    for call_id in ("a", "b"):
        journal_chat(journal, call_id, charges=(CENTS, TOKENS), user_id="u1")
    settler_in(tmp_path).step()
    assert left(tmp_path, CENTS) == near(100 - 2 * 0.35)
    assert left(tmp_path, TOKENS) == near(1000 - 2 * 1100)
    assert spend(tmp_path) == {
        ("budget|all|", "2026-11"): 2 * CHAT_NANOUSD,
        ("budget|today|", "2026-11-21"): 2 * CHAT_NANOUSD,
        ("budget|user|u1", "2026-11"): 2 * CHAT_NANOUSD,
        ("budget|feature|test", "2026-11"): 2 * CHAT_NANOUSD,
        ("budget|gpt|gpt-4o", "2026-11"): 2 * CHAT_NANOUSD,
    }


def test_without_charges_and_budgets_no_store_is_made(tmp_path: Path) -> None:
    journal_chat(journal_in(tmp_path), "a")
    settler_in(tmp_path, ()).step()
    assert ids(tmp_path) == ["a"]
    assert not Folders(tmp_path).limits.exists()


def test_hits_and_refusals_charge_nothing_and_unknown_costs_what_was_reserved() -> None:
    row = RequestRow(request_id="a", started_at=AT, provider_name="openai", operation_name="chat")
    charges = [CENTS, TOKENS]
    used = replace(row, cost_nanousd=CHAT_NANOUSD, input_tokens=1000)
    assert [charge.amount for charge in bucket_charges(charges, used)] == [0.35, 1000]
    assert [charge.amount for charge in bucket_charges(charges, row)] == [None, None]
    assert bucket_charges(charges, replace(row, cost_nanousd=0)) == ()
    assert bucket_charges(charges, replace(used, cache_status="hit", attempts=0)) == ()
    assert bucket_charges(charges, replace(used, cache_status="coalesced")) == ()
    assert bucket_charges(charges, replace(used, attempts=0)) == ()
    assert [charge.amount for charge in bucket_charges(charges, replace(row, output_tokens=5))] == [None, 5]
    assert spends_of(BUDGETS, row) == spends_of(BUDGETS, replace(row, cost_nanousd=0)) == ()


def test_a_call_belongs_to_the_period_that_it_began_in(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    midnight_us = NOON_US + DAY_US // 2
    journal_chat(journal, "before midnight", midnight_us - 1)
    journal_chat(journal, "after midnight", midnight_us)
    journal_chat(journal, "next month", NOON_US + 10 * DAY_US)
    settler = settler_in(tmp_path, BUDGETS[:2])
    settler.step()
    live = spend(tmp_path)
    assert live == {
        ("budget|all|", "2026-11"): 2 * CHAT_NANOUSD,
        ("budget|all|", "2026-12"): CHAT_NANOUSD,
        ("budget|today|", "2026-11-21"): CHAT_NANOUSD,
        ("budget|today|", "2026-11-22"): CHAT_NANOUSD,
        ("budget|today|", "2026-12-01"): CHAT_NANOUSD,
    }
    for at in (AT, AT + timedelta(hours=12), AT + timedelta(days=10)):
        found = recount(tmp_path, BUDGETS[:2], at, print)
        assert found == {key: cost for key, cost in live.items() if key in found}
        assert len(found) == 2


@pytest.mark.parametrize("merged", [False, True])
def test_a_recount_comes_to_what_was_charged_live(tmp_path: Path, merged: bool) -> None:
    for run in range(2):
        journal = journal_in(tmp_path)
        for number in range(12):
            journal_chat(
                journal,
                f"{run}-{number}",
                NOON_US - number % 3 * DAY_US,
                model=("gpt-4o", "GPT-4o", "gpt-5", "nobody-knows-it")[number % 4],
                user_id=(None, "u1", "u2")[number % 3],
                api_key_hash=(None, "k1")[number % 2],
                properties=({}, {"feature": "chat"}, {"team": "red", "feature": "x"}, {"team": "red"})[number // 3],
            )
        if run == 0:
            journal.close()
        else:  # of the live run some is Parquet and some is settled rows
            journal.rotate()
            journal_chat(journal, "last", user_id="u1")
        settler_in(tmp_path, grace_s=0).step()
    if merged:
        assert merge_day(Folders(tmp_path), "requests", AT.date())
    live = {key: cost for key, cost in spend(tmp_path).items() if key[1] in ("2026-11", "2026-11-21")}
    assert len(live) > 8
    assert list(tmp_path.glob("settled/requests/*"))
    assert list(tmp_path.glob("lake/requests/*/*.parquet"))
    assert recount(tmp_path, BUDGETS, AT, print) == live


def test_a_recount_names_files_that_it_cannot_read_and_goes_on(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    journal_chat(journal, "a")
    journal.close()
    settler_in(tmp_path).step()
    broken = Folders(tmp_path).lake_day("requests", AT.date()) / "broken.parquet"
    broken.write_bytes(b"PAR1 and nothing that makes sense PAR1")
    said: list[str] = []
    assert recount(tmp_path, BUDGETS[:1], AT, said.append) == {("budget|all|", "2026-11"): CHAT_NANOUSD}
    assert [line.startswith(f"{broken}: cannot be read") for line in said] == [True]


def today_us() -> int:
    return time.time_ns() // 1000


def total(data: Path) -> int:
    return sum(cost for (key, _), cost in spend(data).items() if key == "budget|all|")


def test_a_settler_recounts_at_its_start_what_a_lost_store_forgot(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    for call_id in ("a", "b"):
        journal_chat(journal, call_id, today_us())
    settler_in(tmp_path).step()
    Folders(tmp_path).limits.unlink()
    settler = settler_in(tmp_path)
    settler.recount_budgets()
    assert total(tmp_path) == 2 * CHAT_NANOUSD
    journal_chat(journal, "c", today_us())
    settler.step()
    assert total(tmp_path) == 3 * CHAT_NANOUSD


def test_a_store_that_is_removed_while_the_settler_runs_is_recounted_with_the_next_call(tmp_path: Path) -> None:
    journal, settler = journal_in(tmp_path), settler_in(tmp_path)
    settler.recount_budgets()
    for number in range(3):
        journal_chat(journal, str(number), today_us())
        settler.step()
        Folders(tmp_path).limits.unlink()
    journal_chat(journal, "last", today_us())
    settler.step()
    assert total(tmp_path) == 4 * CHAT_NANOUSD


@pytest.mark.parametrize("recounts", [False, True])
@pytest.mark.parametrize("row_is_written", [False, True])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_settler_killed_between_charge_and_row_charges_exactly_once(
    tmp_path: Path, recounts: bool, row_is_written: bool
) -> None:
    journal = journal_in(tmp_path)
    journal_chat(journal, "a", today_us(), charges=(CENTS,))

    class Dies(Charger):
        def charge(
            self, call_id: str, end: CallEnd | None, row: RequestRow, now: float, *, is_renamed: bool = False
        ) -> None:
            super().charge(call_id, end, row, now, is_renamed=is_renamed)
            if not row_is_written:
                os.kill(os.getpid(), signal.SIGKILL)

        def settled(self, call_id: str) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        charger = Dies(tmp_path, SqliteLimits(Folders(tmp_path).limits), BUDGETS, print)
        Settler(Folders(tmp_path), real_rows, bare_rows, charger=charger).step()
        os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert total(tmp_path) == CHAT_NANOUSD
    assert ids(tmp_path) == (["a"] if row_is_written else [])

    settler = settler_in(tmp_path)
    if recounts:
        settler.recount_budgets()
    settler.step()
    assert ids(tmp_path) == ["a"]
    assert total(tmp_path) == CHAT_NANOUSD
    assert left(tmp_path, CENTS) == near(100 - 0.35)


def test_rows_do_not_wait_for_a_store_that_is_down_and_charges_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal, limits = journal_in(tmp_path), Folders(tmp_path).limits
    limits.write_bytes(b"not a database at all, and long enough to be taken for one" * 20)
    clock = Clock()
    settler = settler_in(tmp_path, clock=clock)
    for call_id in ("a", "b"):
        journal_chat(journal, call_id, today_us(), charges=(CENTS,))
        settler.step()
    assert ids(tmp_path) == ["a", "b"]
    assert settler.troubled_since is None
    assert "limits and budgets are not charged" in capsys.readouterr().err
    limits.unlink()
    clock.now += 1
    settler.step()
    assert total(tmp_path) == 2 * CHAT_NANOUSD
    assert left(tmp_path, CENTS) == near(100 - 2 * 0.35)


def test_a_row_that_the_disk_refuses_at_first_is_charged_once(tmp_path: Path) -> None:
    journal_chat(journal_in(tmp_path), "a", today_us(), charges=(CENTS,))
    clock = Clock()
    settler = settler_in(tmp_path, clock=clock)
    (tmp_path / "settled").write_bytes(b"a file where a folder should be")
    for _ in range(3):
        settler.step()
        clock.now += 2
    assert settler.troubled_since is not None
    (tmp_path / "settled").unlink()
    settler.step()
    assert ids(tmp_path) == ["a"]
    assert total(tmp_path) == CHAT_NANOUSD
    assert left(tmp_path, CENTS) == near(100 - 0.35)


def test_a_charge_of_the_journal_reads_back_and_one_of_a_later_version_as_well(tmp_path: Path) -> None:
    journal = journal_in(tmp_path)
    journal_chat(journal, "a", charges=(CENTS, TOKENS))
    seen: list[Call] = []

    def keep(call: Call) -> tuple[RequestRow, BodyRow]:
        seen.append(call)
        return bare_rows(call, "kept")

    (path,) = Folders(tmp_path).journal.glob("*.jsonl")
    with path.open("r+b") as file:
        text = file.read().replace(b'"window_s"', b'"new":1,"window_s"')
        file.seek(0)
        file.write(text)
    Settler(Folders(tmp_path), keep, bare_rows).step()
    assert seen[0].end and seen[0].end.charges == [CENTS, TOKENS]


def test_the_settler_process_charges_while_the_proxy_runs_and_recounts_at_its_start(tmp_path: Path) -> None:
    (tmp_path / "heliograph.toml").write_text('[[budgets]]\nname = "all"\nusd = 1\nperiod = "day"\n')
    journal, store = journal_in(tmp_path), SqliteLimits(Folders(tmp_path).limits)
    command = [sys.executable, "-m", "addon.settling.process", "--data", str(tmp_path), "--run", journal.run]

    def spent() -> int:
        try:
            return store.spent([("budget|all|", datetime.now(UTC).date().isoformat())])[0]
        except StoreDown:
            return 0

    for round_ in (1, 2):
        settler = subprocess.Popen(command, stdin=subprocess.PIPE)
        journal_chat(journal, f"call {round_}", today_us())
        deadline = time.monotonic() + 60
        while spent() != round_ * CHAT_NANOUSD:
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.05)
        if round_ == 2:
            journal.close()
        else:
            settler.kill()
            Folders(tmp_path).limits.unlink()
        settler.communicate(timeout=60)
    assert spent() < NANO


RATES = {"openai": {"gpt-4o": Rates(2_500, 10_000), "o1-pro": Rates(150_000, 600_000)}}
ALL = BUDGETS[:1]
ALLOWED = CallEnd(status=200, rate_limit_status="allowed")
CALL = RequestRow(request_id="a", started_at=AT, provider_name="openai", operation_name="chat", request_model="gpt-4o")


def charged_with(data: Path, row: RequestRow, *, reserved_nanousd: int = 9, is_renamed: bool = False) -> int:
    """What budget `all` is charged for a call of which so much was reserved."""
    store = SqliteLimits(Folders(data).limits)
    store.replace_spend({}, NOW)  # as a settler does when it starts
    line = BudgetLine("budget|all|", "2026-11", 100)
    store.decide((), NOW, Reservation(call_id="a", budgets=(line,), bound=UpperBound(reserved_nanousd, 5)))
    Charger(data, store, ALL, print, RATES).charge("a", ALLOWED, row, NOW, is_renamed=is_renamed)
    verdict = store.decide((), NOW, Reservation(call_id="b", budgets=(line,), bound=UpperBound(0, 0)))
    assert verdict.spent[0].reserved_nanousd == 0  # released
    return verdict.spent[0].nanousd


@pytest.mark.parametrize(
    ("row", "is_renamed", "nanousd"),
    [
        (replace(CALL, cost_nanousd=7), False, 7),
        (replace(CALL, cost_nanousd=0), False, 0),
        (CALL, False, 9),  # left before the first byte, or omitted: nobody knows, so what was reserved
        (replace(CALL, input_tokens=10, output_tokens=1), False, 10 * 2_500 + 10_000),
        (replace(CALL, request_model="unknown", input_tokens=10, output_tokens=1), False, 10 * 150_000 + 600_000),
        (replace(CALL, cost_nanousd=7, input_tokens=10, output_tokens=1), True, 10 * 2_500 + 10_000),
        (replace(CALL, provider_name="ollama", input_tokens=10, output_tokens=1), False, 0),
        (replace(CALL, cost_nanousd=None, attempts=0), False, 0),
        (replace(CALL, cost_nanousd=999_999 * NANO, mode="async"), False, 0),
    ],
)
def test_no_call_gets_past_a_budget_by_hiding_what_it_costs(
    tmp_path: Path, row: RequestRow, is_renamed: bool, nanousd: int
) -> None:
    assert charged_with(tmp_path, row, is_renamed=is_renamed) == nanousd


def test_logged_calls_count_in_budgets_that_only_warn() -> None:
    logged = replace(CALL, cost_nanousd=7, mode="async")
    assert spends_of(ALL, logged) == ()
    assert [spend.nanousd for spend in spends_of([replace(ALL[0], hard=False)], logged)] == [7]


def test_the_price_list_is_written_down_for_the_proxies(tmp_path: Path) -> None:
    store = SqliteLimits(Folders(tmp_path).limits)
    table = rate_table((), AT)
    store.replace_rates(table)
    assert store.rates()["openai"]["gpt-4o"] == table["openai"]["gpt-4o"] == Rates(2_500, 10_000)
    assert rates_of(table, "anthropic", "no such model", has_price_list=True).output_nanousd >= 75_000
