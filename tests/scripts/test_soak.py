"""scripts/soak: what its calls must cost, and when its verdict is not good."""

import asyncio
import json
import os
import random
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from addon.config.settings import load
from addon.demo.providers import FakeProviders
from scripts.running import Size
from scripts.soak import WORKERS, Minute, Run, calls_at_end, grown, sizes, verdict
from scripts.soak_calls import CONFIG, KINDS, cost_nanousd, plan
from scripts.soak_http2 import trusting
from scripts.soak_load import Callers, Seen
from scripts.soak_rows import Counted, count, counted_rows, wrong_rows
from tests.proxy.conftest import run_up, to


def test_every_kind_of_call_comes_and_a_seed_gives_the_same_calls_each_time() -> None:
    one, other = ([plan(random.Random(seed)) for _ in range(3)] for seed in (1, 1))
    assert one == other
    dice = random.Random(7)
    assert {id(plan(dice).kind) for _ in range(600)} == {id(kind) for kind in KINDS.values()}
    assert sum(kind.share for kind in KINDS.values()) == 100


def test_the_cost_of_an_answer_is_told_by_the_usage_that_it_states() -> None:
    usage = {"prompt_tokens": 19, "completion_tokens": 10}
    assert cost_nanousd(KINDS["plain"], json.dumps({"usage": usage}).encode()) == 19 * 150 + 10 * 600
    events = [{"choices": []}, {"choices": [], "usage": usage}]
    stream = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events) + b"data: [DONE]\n\n"
    assert cost_nanousd(KINDS["plain"], stream) == 19 * 150 + 10 * 600
    with pytest.raises(ValueError, match="no usage"):
        cost_nanousd(KINDS["plain"], b"data: [DONE]\n\n")


def test_the_usage_of_a_stream_of_anthropic_is_in_two_events() -> None:
    start = {"type": "message_start", "message": {"usage": {"input_tokens": 7, "output_tokens": 1}}}
    delta = {"type": "message_delta", "usage": {"output_tokens": 30}}
    stream = b"".join(b"event: x\ndata: %b\n\n" % json.dumps(event).encode() for event in (start, delta))
    assert cost_nanousd(KINDS["anthropic"], stream) == 7 * 1000 + 30 * 5000


def minutes(count: int, **grows: float) -> list[Minute]:
    """A run of so many minutes, in which these figures grow by so much each minute."""

    def line(minute: int) -> Minute:
        def now(name: str, base: float) -> float:
            return base + grows.get(name, 0) * minute

        proxy = Size(now("rss_mb", 90), int(now("descriptors", 30)), int(now("threads", 5)))
        tasks, files = int(now("tasks", 40)), int(now("files", 100))
        return Minute(minute, minute * 100, {"proxy": proxy}, tasks, 5, files, 3.0, 9.0)

    return [line(minute) for minute in range(1, count + 1)]


def test_a_run_that_stays_flat_has_not_grown() -> None:
    assert grown(minutes(30)) == []
    assert grown(minutes(3, rss_mb=100)) == [], "too short to tell"


@pytest.mark.parametrize(
    ("grows", "told"),
    [
        ({"rss_mb": 3.0}, "memory of proxy: 136 MB, then 166 MB"),
        ({"descriptors": 5.0}, "descriptors: 108, then 158"),
        ({"tasks": 9.0}, "tasks: 180, then 270"),
        ({"threads": 5.0}, "threads: 82, then 132"),
        ({"files": 30.0}, "1000 files in the data folder"),
    ],
)
def test_what_grows_is_named(grows: Mapping[str, float], told: str) -> None:
    assert told in "\n".join(grown(minutes(30, **grows)))


def test_missing_rows_and_wrong_costs_are_told() -> None:
    run = Run(Path(), 0, 0, 1, 1, at_end={"under_way": 0, "seen": 0})
    assert verdict(run, Seen(), Counted()) == []
    counted = Counted(missing=["a"], doubled=1, wrong_costs=["b: expected 1, row has 2"])
    assert len(verdict(run, Seen(), counted)) == 3


def test_only_a_killed_worker_excuses_a_call_without_a_row_and_only_one_without_an_answer() -> None:
    run = Run(Path(), 0, 0, 1, 1, at_end={"under_way": 0, "seen": 0})
    unanswered = Counted(missing_unanswered=["a"])
    assert verdict(run, Seen(), unanswered) == ["1 calls without a row, e.g. a"]
    run.kills[WORKERS] += 1
    assert verdict(run, Seen(), unanswered) == []
    assert verdict(run, Seen(), Counted(missing=["a"])) == ["1 calls without a row, e.g. a"]


def test_calls_still_under_way_are_told_and_calls_that_the_proxy_saw_without_a_row() -> None:
    run = Run(Path(), 0, 0, 1, 1, at_end={"under_way": 2, "seen": 9})
    told = verdict(run, Seen(), Counted(rows=8))
    assert told == [
        "2 calls still under way, a minute after the last caller had gone",
        "9 calls seen by the proxy, 8 rows",
    ]
    run.kills[WORKERS] += 1
    assert verdict(run, Seen(), Counted(rows=8)) == told[:1]


def test_a_call_that_was_left_at_once_may_have_no_row() -> None:
    seen = Seen(costs={"a": None, "b": None}, may_be_unread={"a"})
    counted = counted_rows([], seen)
    assert (counted.missing_unanswered, counted.unread) == (["b"], 1)


def test_callers_over_http2_leave_and_each_call_that_the_proxy_read_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "heliograph.toml").write_text(CONFIG)
    with FakeProviders(keep_requests=False) as providers:
        groq = f"--upstream=groq={providers.url}"
        with run_up(tmp_path, *to(providers), groq) as proxy:
            port = int(proxy.url.rpartition(":")[2])
            callers = Callers(port, rate=30, seed=3, tls=trusting(proxy.ca))
            asyncio.run(callers.run(until=time.monotonic() + 3))
            calls = calls_at_end(port)
            assert proxy.stop() == 0
    counted = count(tmp_path, callers.seen)
    assert callers.seen.over_http2 > 0
    assert (calls["under_way"], calls["seen"]) == (0, counted.rows)
    assert (counted.missing, counted.missing_unanswered, wrong_rows(counted, callers.seen)) == ([], [], [])


def test_the_settings_of_the_soak_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "heliograph.toml").write_text(CONFIG)
    settings = load(tmp_path)
    assert settings.redact and settings.limits and settings.budgets and settings.inject_usage


def test_a_process_is_measured() -> None:
    found = sizes(os.getpid())
    assert found["proxy"].rss_mb > 1
    assert found["proxy"].descriptors > 2
