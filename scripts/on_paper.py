"""A large fleet on paper: what each part is asked for, out of what one call was measured to cost. Pure; `scripts/simulate --paper`."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from scripts import measured as m

DAY_S: Final = 86_400
MONTH_DAYS: Final = 30
ROUNDS_MIN: Final = 60 / 20  # shipping, of each proxy (addon/settling/shipping_thread.py)
FILES_OF_A_MERGE: Final = 100  # addon/settling/merge.py
TIMES_MERGED: Final = 3  # how often a row is written by merges of a day; they see to it that it is a few times
NEWS_MIN: Final = 1  # of each proxy for `doctor --fleet`, in the bucket: one PUT, and one GET to read it back
PART_BYTES: Final = 16 * 2**20  # of a large file; each is a PUT (addon/objects/store.py)
FULL: Final = 0.7  # a queue that is busier than this makes its callers wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    proxies: int = 1000
    calls_s: float = 1e6
    streams: float = 0.5
    # Two assumptions; everything else was measured.
    answer_s: float = 6.0  # a call is under way
    network_s: float = 0.0005  # to Redis and back

    @property
    def of_one(self) -> float:
        """Calls a second of a proxy."""
        return self.calls_s / self.proxies

    @property
    def worker_ms(self) -> float:
        return 1000 * self._mixed(m.JSON_CALL.value, m.STREAM_CALL.value)

    @property
    def settler_ms(self) -> float:
        """CPU of the settler's process a call: rows, merges, summaries, shipping."""
        merges_s = TIMES_MERGED * (m.MERGE_CALL.value + m.SUMMARISE_CALL.value)
        rounds_s = m.SHIP_CALL.value + m.SHIP_ROUND.value * ROUNDS_MIN / 60 / self.of_one
        return 1000 * (self._mixed(m.SETTLE_JSON.value, m.SETTLE_STREAM.value) + merges_s + rounds_s)

    @property
    def day_calls(self) -> float:
        return self.calls_s * DAY_S

    @property
    def day_bytes(self) -> float:
        return self.day_calls * (m.ROW_BYTES.value + m.BODY_BYTES.value)

    def _mixed(self, of_json: float, of_stream: float) -> float:
        return of_json * (1 - self.streams) + of_stream * self.streams


class Line(NamedTuple):
    what: str
    how: str
    result: str


def lines(paper: Paper) -> Iterator[Line]:
    """The arithmetic, one number a line."""
    yield Line("a proxy", f"{_n(paper.calls_s)} / {paper.proxies:,} proxies", f"{_n(paper.of_one)} calls/s")
    yield from _machine(paper)
    yield from _redis(paper)
    yield from _objects(paper)
    yield from _questions(paper)


def _machine(paper: Paper) -> Iterator[Line]:
    cores = paper.of_one * paper.worker_ms / 1000
    json, stream = m.JSON_CALL.value * 1000, m.STREAM_CALL.value * 1000
    yield Line(
        "its workers",
        f"{_n(paper.of_one)} x ({json} ms x {1 - paper.streams:.0%} JSON + {stream} ms x {paper.streams:.0%} streams)",
        f"{cores:.1f} cores busy: `--workers {math.ceil(cores / FULL)}` to stay below {FULL:.0%}",
    )
    share = paper.of_one * paper.settler_ms / 1000
    yield Line(
        "its settler, one process",
        f"{_n(paper.of_one)} x {paper.settler_ms:.2f} ms (rows, {TIMES_MERGED} merges, summaries, shipping)",
        f"{share:.0%} of a core; full at {_n(1000 / paper.settler_ms)} calls/s",
    )
    own_ms = paper.settler_ms + m.CHARGE_SETTLER.value * 1000
    charged_ms = own_ms + (paper.network_s + m.CHARGE.value) * 1000
    yield Line(
        "the same with budgets in Redis",
        f"each charge takes {m.CHARGE_SETTLER.value * 1000:.2f} ms and waits for Redis: {own_ms:.2f} + {paper.network_s * 1000:g} (assumed) + {m.CHARGE.value * 1000:.2f} ms",
        f"{paper.of_one * charged_ms / 1000:.0%} of its time; full at {_n(1000 / charged_ms)} calls/s",
    )
    open_calls = paper.of_one * paper.answer_s
    yield Line(
        "calls under way in it",
        f"{_n(paper.of_one)} x {paper.answer_s:g} s (assumed)",
        f"{_n(open_calls)}, {_bytes(open_calls * m.OPEN_CALL.value)} of memory at {m.OPEN_CALL.value / 1000:g} kB each",
    )


def _redis(paper: Paper) -> Iterator[Line]:
    for name, cost in (
        ("a limit", m.DECIDE_LIMIT.value),
        ("a limit and a budget, with the charge", m.DECIDE_BUDGET.value + m.CHARGE.value),
    ):
        busy = paper.calls_s * cost
        yield Line(
            f"Redis, {name} a call",
            f"{_n(paper.calls_s)} x {cost * 1e6:.0f} µs",
            f"{busy:.0f} cores, and one server has one: it takes {_n(1 / cost)} calls/s."
            f" {math.ceil(busy / FULL)} fleets with a `prefix` and a server each stay below {FULL:.0%}",
        )


def _objects(paper: Paper) -> Iterator[Line]:
    rounds = paper.proxies * ROUNDS_MIN
    puts, reads = m.ROUND_PUTS.value, m.ROUND_READS.value
    month_min = MONTH_DAYS * DAY_S / 60
    yield Line("shipping rounds", f"{paper.proxies:,} x {ROUNDS_MIN:g} a minute", f"{_n(rounds)} a minute")
    yield Line(
        "new files and manifests",
        f"{_n(rounds)} x ({puts - 1:g} files + 1 manifest)",
        f"{_n(rounds * (puts - 1))} files and {_n(rounds)} manifests a minute; a manifest is of one proxy and day, so none waits for another",
    )
    yield Line(
        "commits of a table of `[iceberg]`",
        f"each proxy once an hour, in its first ten minutes: {paper.proxies:,} in 600 s",
        f"one every {600 / paper.proxies:.1f} s, each planned again when another was first; not tried with so many",
    )
    parts_month = TIMES_MERGED * paper.day_bytes / PART_BYTES * MONTH_DAYS
    news = paper.proxies * NEWS_MIN
    put_month, get_month = (rounds * puts + news) * month_min, (rounds * reads + news) * month_min
    yield Line(
        "PUT a month",
        f"({_n(rounds)} x {puts:g} + {_n(news)} for `doctor --fleet`) x {_n(month_min)} minutes, and merged files in parts of 16 MiB: {TIMES_MERGED} x {_bytes(paper.day_bytes)} x {MONTH_DAYS}",
        f"{_n(put_month)} + {_n(parts_month)}: {_usd((put_month + parts_month) * m.PUT_USD)}",
    )
    yield Line(
        "HEAD and GET a month, to read back",
        f"({_n(rounds)} x {reads:g} + {_n(news)}) x {_n(month_min)} minutes",
        f"{_n(get_month)}: {_usd(get_month * m.GET_USD)}",
    )
    merges = paper.proxies * 2 * ROUNDS_MIN / FILES_OF_A_MERGE
    yield Line(
        "merges",
        f"{paper.proxies:,} x 2 tables x {ROUNDS_MIN:g} files a minute / {FILES_OF_A_MERGE}",
        f"{_n(merges)} a minute, each of {_n(paper.of_one * 60 / ROUNDS_MIN * FILES_OF_A_MERGE)} calls",
    )
    yield Line(
        "bytes a day, merged",
        f"{_n(paper.day_calls)} calls x ({m.ROW_BYTES.value:g} + {m.BODY_BYTES.value:g} bytes)",
        f"{_bytes(paper.day_calls * m.ROW_BYTES.value)} of rows and {_bytes(paper.day_calls * m.BODY_BYTES.value)} of bodies;"
        f" {_bytes(paper.day_bytes / paper.proxies)} on the disk of each proxy",
    )
    spread = paper.day_calls * (m.ROW_BYTES.value + m.NEW_BODY_BYTES.value)
    yield Line(
        "the same, where the calls of a session reach different proxies",
        f"{_n(paper.day_calls)} x ({m.ROW_BYTES.value:g} + {m.NEW_BODY_BYTES.value:g}): no turn lies beside the turns that it repeats",
        f"{_bytes(spread)}",
    )
    stored = paper.day_bytes * MONTH_DAYS
    yield Line(
        f"{MONTH_DAYS} days stored",
        f"{MONTH_DAYS} x {_bytes(paper.day_bytes)}, at $0.023 to $0.021 a GB",
        f"{_bytes(stored)}: {_usd(storage_usd(stored / 1e9))} a month; rows alone"
        f" {_usd(storage_usd(paper.day_calls * m.ROW_BYTES.value * MONTH_DAYS / 1e9))}",
    )


def _questions(paper: Paper) -> Iterator[Line]:
    yield Line(
        "`report costs` over one day: requests",
        f"LIST {math.ceil(paper.proxies / 1000)} page, GET {paper.proxies:,} manifests, then the end and the columns of each file",
        f"at least {_n(paper.proxies * 3)} requests the first time",
    )
    for name, size, calls_a_row in (
        ("from summaries", m.READ_SUMMARY_BYTES.value, m.CALLS_A_SUMMARY_ROW.value),
        ("from rows", m.READ_ROW_BYTES.value, 1.0),
    ):
        cpu_s = paper.day_calls / calls_a_row / m.SCAN_ROWS.value
        yield Line(
            f"the same, {name}",
            f"{_n(paper.day_calls)} x {size:g} bytes; / {calls_a_row:g} / {_n(m.SCAN_ROWS.value)} rows a second",
            f"{_bytes(paper.day_calls * size)}, {cpu_s / 3600:.1f} hours of one core",
        )


def storage_usd(gigabytes: float) -> float:
    """List price a month, by tiers."""
    cost = 0.0
    for tier, price in m.STORAGE_USD:
        part = min(gigabytes, tier)
        cost, gigabytes = cost + part * price, gigabytes - part
    return cost


def _n(value: float) -> str:
    """`86.4 billion`, `24,400`."""
    for least, word in ((1e9, "billion"), (1e6, "million")):
        if value >= least:
            return f"{value / least:.3g} {word}"
    return f"{value:,.0f}" if value < 1000 else f"{float(f'{value:.3g}'):,.0f}"


def _bytes(value: float) -> str:
    for least, unit in ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if value >= least:
            return f"{value / least:.3g} {unit}"
    return f"{value:,.0f} bytes"


def _usd(value: float) -> str:
    return f"${float(f'{value:.3g}'):,.0f}"
