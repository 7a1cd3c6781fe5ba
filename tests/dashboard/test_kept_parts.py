"""Parts of pages that are kept: how long, how many, and that of equal questions one is asked."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from analysis.dashboard.kept_parts import LISTED_FOR_S, LONGEST_BYTES, KeptParts, Once
from analysis.dashboard.view import read_view
from analysis.lake import Lake
from tests.analysis.writing import made_up_rows, settle
from tests.dashboard.served import serving
from tests.waiting import wait_for


class Made:
    """Counts how often a part is made."""

    def __init__(self, part: bytes = b"part") -> None:
        self.times, self._part = 0, part

    async def __call__(self) -> bytes:
        self.times += 1
        await asyncio.sleep(0)
        return self._part


def kept_of(tmp_path: Path, clock: Callable[[], float] = lambda: 0.0, most_bytes: int = 1000) -> KeptParts:
    return KeptParts(Lake(tmp_path), clock, most_bytes)


def test_a_part_is_made_again_once_files_or_settings_changed(tmp_path: Path) -> None:
    now = 0.0
    parts, make = kept_of(tmp_path, lambda: now), Made()

    async def ask(settings: str, times: int) -> None:
        assert await parts.get(settings, "key", make) == b"part"
        assert make.times == times

    async def all_of_it() -> None:
        nonlocal now
        await ask("a", 1)
        await ask("a", 1)
        await ask("b", 2)
        settle(tmp_path, made_up_rows(2), 1)
        now += LISTED_FOR_S
        await ask("b", 3)
        await ask("b", 3)

    asyncio.run(all_of_it())


def test_kept_parts_are_bounded_in_bytes_and_those_asked_for_last_stay(tmp_path: Path) -> None:
    parts, part = kept_of(tmp_path), Made(b"x" * 400)

    async def all_of_it() -> None:
        for key in ("a", "b", "a", "c"):  # a and b fill it; c takes the place of b
            await parts.get(0, key, part)
        assert part.times == 3
        await parts.get(0, "a", part)
        assert part.times == 3
        await parts.get(0, "b", part)
        assert part.times == 4
        long = Made(b"x" * (LONGEST_BYTES + 1))
        await parts.get(0, "long", long)
        await parts.get(0, "long", long)
        assert long.times == 2

    asyncio.run(all_of_it())


def test_of_equal_questions_at_the_same_time_one_is_asked_and_a_failure_is_not_kept() -> None:
    once, asked = Once(), 0

    async def fails() -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        raise ValueError("no")

    async def three(make: Callable[[], Awaitable[None]]) -> list[object]:
        return list(await asyncio.gather(*(once.ask("key", make) for _ in range(3)), return_exceptions=True))

    async def all_of_it() -> None:
        assert [type(each) for each in await three(fails)] == [ValueError] * 3
        assert asked == 1
        with pytest.raises(ValueError, match="no"):
            await once.ask("key", fails)
        assert asked == 2

    asyncio.run(all_of_it())


def test_a_caller_that_leaves_does_not_end_the_question_of_others() -> None:
    once, made = Once(), Made()

    async def all_of_it() -> None:
        leaves, stays = (asyncio.ensure_future(once.ask("key", made)) for _ in range(2))
        await asyncio.sleep(0)
        leaves.cancel()
        assert await stays == b"part"
        assert made.times == 1

    asyncio.run(all_of_it())


def test_a_new_call_is_on_the_next_page(tmp_path: Path) -> None:
    path = "/ui/requests/-/summary?since=2026-11-01"
    settle(tmp_path, made_up_rows(3), 1)
    with serving(tmp_path) as url, httpx.Client(base_url=url, timeout=60) as http:
        first = http.get(path).text
        assert http.get(path).text == first and "<b>3</b>" in first
        settle(tmp_path, made_up_rows(5)[3:], 2)
        wait_for(lambda: "<b>5</b>" in http.get(path).text)  # the folder is listed anew within a tenth of a second


@pytest.mark.parametrize(
    ("since", "begins"),
    [("7d", "2026-11-14T10:30"), ("90m", "2026-11-21T09:07"), ("2026-11-21T10:37:12Z", "2026-11-21T10:37:12")],
)
def test_a_span_begins_at_a_step_and_a_moment_is_what_it_is(since: str, begins: str) -> None:
    now = datetime(2026, 11, 21, 10, 37, 42, tzinfo=UTC)
    view = read_view([("since", since)], path="/overview", zone_name=None, theme=None, viewer=None, now=now)
    assert view.window.since == datetime.fromisoformat(begins).replace(tzinfo=UTC)
    assert not view.complaints


def test_alerts_are_measured_again_once_their_data_their_question_or_what_was_told_changed(tmp_path: Path) -> None:
    settle(tmp_path, made_up_rows(2), 1)
    question = tmp_path / "own.sql"
    question.write_text("select 41 as value", encoding="utf-8")
    (tmp_path / "heliograph.toml").write_text(
        '[[alerts]]\nname = "own"\nsql = "own.sql"\nat_least = 100\nwindow = "1h"\nto = ["https://alerts.invalid/"]\n',
        encoding="utf-8",
    )
    with serving(tmp_path) as url, httpx.Client(base_url=url, timeout=30) as http:
        assert ">41<" in http.get("/ui/alerts/-/states").text
        question.write_text("select 4242 as value", encoding="utf-8")
        assert ">4,242<" in http.get("/ui/alerts/-/states").text
