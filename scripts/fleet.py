"""A fleet under faults: is every answered call one row in the bucket, with its exact cost?

    scripts/fleet               ten minutes
    scripts/fleet 3 --rate 20   three minutes, 20 calls a second

Four `heliograph up` behind a TCP load balancer, with settings from a URL, shared limits and cache in Redis, and one lake in a
bucket. The load is that of scripts/soak: JSON and streams, with cache, limits, budgets, retries, fallbacks and faults of the
provider. Meanwhile each proxy, Redis and S3 are killed (SIGKILL) and paused (SIGSTOP) in turn. It ends with a table: exit 0
if calls answered = rows in the bucket = rows in Spark and the costs are equal to the nano-dollar, else 1. Needs redis-server;
where Spark is not installed (`scripts/test --spark` does that), the table says so. Linux only.
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import random
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from addon.config.places import data_folder
from addon.demo.answer import Answer
from addon.demo.providers import FakeProviders
from addon.objects.store import Store
from analysis.engines.spark_session import NoSpark
from analysis.lake import Lake
from analysis.table import fetch
from scripts.count_table import count_table
from scripts.fleet_parts import BUCKET, HELIOGRAPH, LAKE, SETTINGS, Fleet, Part, made
from scripts.fleet_spark import rows_in_spark
from scripts.soak import settle_all
from scripts.soak_calls import CONFIG, PRICES, cost_of_model
from scripts.soak_load import Callers, Seen
from scripts.soak_rows import ROWS, Counted, count, counted_rows, wrong_rows

PROXIES: Final = 4
DOWN_S: Final = 3.0  # that something is gone
PAUSED_S: Final = 6.0
BETWEEN_S: Final = 4.0
_SHIP_TRIES: Final = 20

_ID: Final = re.compile(rb'"id": ?"((?:chatcmpl-|msg_)[^"]+)"')
_MODEL: Final = re.compile(rb'"model": ?"([^"]+)"')
_SHARED: Final = """
[shared]
url = "$FLEET_REDIS"
"""


@contextlib.contextmanager
def running(folder: Path, provider: str) -> Iterator[Fleet]:
    fleet = made(folder, PROXIES)
    os.environ.update(fleet.environ)  # this process puts the settings into the bucket, and reads it at the end
    secret = secrets.token_hex(32)
    for data in fleet.data():
        data.mkdir(mode=0o700)
        (data / "secret").write_text(secret)
        (data / "secret").chmod(0o600)
    try:
        for part in (fleet.redis, fleet.store, fleet.front):
            part.start()
        _make_bucket(fleet)
        upstreams = "".join(f'{name} = "{provider}"\n' for name in ("openai", "anthropic", "groq"))
        text = f'lake = "{LAKE}"\n{CONFIG}{_SHARED}[upstreams]\n{upstreams}'
        folder_url, _, name = SETTINGS.rpartition("/")
        Store(folder_url).put(name, text.encode(), None)
        for part in (*fleet.proxies, fleet.balancer):
            part.start()
        yield fleet
    finally:
        for part in reversed(fleet.all()):
            part.stop()


def _make_bucket(fleet: Fleet) -> None:
    import http.client

    connection = http.client.HTTPConnection(fleet.environ["AWS_ENDPOINT_URL"].removeprefix("http://"))
    connection.request("PUT", f"/{BUCKET}")
    if connection.getresponse().status != 200:
        raise RuntimeError("the store made no bucket")
    connection.close()


async def faults(fleet: Fleet, until: float, done: Counter[str]) -> None:
    """Kills and pauses each part in turn, for as long as there is time."""
    for turn in range(1000):
        for part in (*fleet.proxies, fleet.redis, fleet.store):
            for how in (_killed, _paused):
                if time.monotonic() > until:
                    return
                await how(fleet, part, turn, done)
                await asyncio.sleep(BETWEEN_S)


async def _killed(fleet: Fleet, part: Part, turn: int, done: Counter[str]) -> None:
    victim = fleet.front if part is fleet.store else part
    victim.kill(whole=turn % 2 == 0)
    _say(done, f"{part.name} killed")
    await asyncio.sleep(DOWN_S)
    await asyncio.to_thread(victim.start)


async def _paused(fleet: Fleet, part: Part, turn: int, done: Counter[str]) -> None:
    part.pause()
    _say(done, f"{part.name} paused")
    await asyncio.sleep(PAUSED_S)
    part.resume()


def _say(done: Counter[str], what: str) -> None:
    done[what] += 1
    print(f"{time.strftime('%H:%M:%S')} {what}", flush=True)


async def under_load(fleet: Fleet, callers: Callers, seconds: float, done: Counter[str]) -> None:
    until = time.monotonic() + seconds
    await asyncio.gather(callers.run(until), faults(fleet, until, done))


def known_to_the_doctor(fleet: Fleet) -> int:
    """Data folders that `heliograph doctor --fleet` names."""
    command = [HELIOGRAPH, "doctor", "--fleet", "--json", f"--data={fleet.data()[0]}"]
    told = subprocess.run(command, env=fleet.environ, capture_output=True, text=True, check=False).stdout
    print(f"\nheliograph doctor --fleet: {told.strip()}", flush=True)
    return len(json.loads(told or "{}").get("proxies", ()))


def ship_all(fleet: Fleet) -> list[str]:
    """What is left on the disks of the proxies, which have ended. Returns what could not be shipped."""
    problems = []
    for data in fleet.data():
        settle_all(data)
        for _ in range(_SHIP_TRIES):
            command = [HELIOGRAPH, "ship", f"--data={data}"]
            shipped = subprocess.run(command, env=fleet.environ, capture_output=True, text=True, check=False)
            if shipped.returncode == 0:
                break
        else:
            problems.append(f"{data.name}: {shipped.stderr.strip()}")
    return problems


# The verdict.


class Ledger:
    """The provider's own account: id of an answer -> what it costs by the usage that is in it, in nano-dollars. The fake
    provider answers equal requests with equal ids."""

    def __init__(self) -> None:
        self.costs: dict[str, int] = {}

    def __call__(self, answer: Answer) -> None:
        whole = b"".join(answer.pieces)
        found, named = _ID.search(whole), _MODEL.search(whole)
        model = next((model for model in PRICES if named and named[1].decode().startswith(model)), None)
        if answer.status == 200 and found and model:
            with contextlib.suppress(ValueError, TypeError):  # it is cut before its usage
                self.costs[found[1].decode()] = cost_of_model(model, whole)

    def compared(self, lake: Path) -> "Compared":
        """With the rows that have status 200 and no error, and are not from the cache."""
        sql = """select response_id, cost_nanousd from requests where status = 200 and error_type is null
                 and coalesce(cache_status not in ('hit', 'coalesced'), true)"""
        rows = list(Lake(lake).ask(lambda connection: fetch(connection, sql)).records())
        compared = Compared(rows=len(rows))
        for row in rows:
            stated = self.costs.get(str(row["response_id"]))
            compared.stated_nanousd += stated or 0
            compared.found_nanousd += row["cost_nanousd"] or 0
            if stated is None or stated != row["cost_nanousd"]:
                compared.wrong.append(f"{row['response_id']}: provider {stated}, row {row['cost_nanousd']}")
        return compared


@dataclass(slots=True)
class Compared:
    """Rows against the provider's own account."""

    rows: int = 0
    stated_nanousd: int = 0
    found_nanousd: int = 0
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class InSpark:
    """The rows of the bucket as Spark reads them. `missing`: why there is none."""

    counted: Counted | None = None
    missing: str = ""

    def of(self, seen: Seen) -> dict[str, str]:
        """Lines of the table."""
        if self.counted is None:
            return {"in Spark": f"not asked: {self.missing}"}
        found = len(answered(seen)) - len(lost(self.counted, seen))
        return {
            "answered calls with their row in Spark, rows there": f"{found:,}, {self.counted.rows:,}",
            "cost of their rows in Spark, nano-dollars": f"{self.counted.found_nanousd:,}",
        }

    def problems(self, seen: Seen) -> list[str]:
        return [f"in Spark {problem}" for problem in wrong_counts(self.counted, seen)] if self.counted else []


def in_spark(copy: Path, seen: Seen) -> InSpark:
    try:
        return InSpark(counted_rows(rows_in_spark(LAKE, copy, ROWS), seen))
    except NoSpark as error:
        return InSpark(missing=str(error))


def answered(seen: Seen) -> set[str]:
    """Ids of calls whose whole answer was read."""
    return {call for call, cost in seen.costs.items() if cost is not None}


def lost(counted: Counted, seen: Seen) -> list[str]:
    """Ids of calls that were answered and have no row."""
    return sorted(set(counted.missing) & answered(seen))


def wrong_counts(counted: Counted, seen: Seen) -> list[str]:
    problems = []
    if gone := lost(counted, seen):
        problems.append(f"{len(gone)} answered calls without a row, e.g. {', '.join(gone[:3])}")
    return problems + wrong_rows(counted, seen)


def verdict(seen: Seen, counted: Counted, compared: Compared, spark: InSpark) -> list[str]:
    """What is wrong; nothing, if all is well."""
    problems = []
    if compared.wrong:
        problems.append(f"{len(compared.wrong)} rows differ from the provider, e.g. {'; '.join(compared.wrong[:3])}")
    if not answered(seen):
        problems.append("no call was answered")
    if spark.counted and spark.counted.rows != counted.rows:
        problems.append(f"{counted.rows:,} rows in the bucket, {spark.counted.rows:,} in Spark")
    return problems + wrong_counts(counted, seen) + spark.problems(seen)


def summary(
    seen: Seen,
    counted: Counted,
    compared: Compared,
    spark: InSpark,
    done: Counter[str],
    minutes: float,
    known: int,
) -> str:
    outcomes = ", ".join(f"{what} {times:,}" for what, times in seen.statuses.most_common())
    machine = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    gone = len(lost(counted, seen))
    lines = {
        "when, machine": f"{time.strftime('%Y-%m-%d')}, {machine}",
        "minutes, proxies": f"{minutes:g}, {PROXIES}",
        "faults": f"{done.total()}: {', '.join(f'{what} {times}' for what, times in done.items())}",
        "calls sent": f"{seen.sent:,}",
        "outcomes, as the callers saw them": outcomes,
        "calls answered": f"{len(answered(seen)):,}",
        "of them with their row in the bucket": f"{len(answered(seen)) - gone:,}",
        "rows in the bucket, with calls that were cut off": f"{counted.rows:,}",
        "answered calls lost, rows doubled": f"{gone}, {counted.doubled}",
        "whole answers with status 200, of them with an error in their row": (
            f"{len(seen.whole):,}, {len(counted.wrong_errors)}"
        ),
        "proxies that `heliograph doctor --fleet` knows": f"{known}",
        "cost of the answers as the callers read it, nano-dollars": f"{counted.expected_nanousd:,}",
        "cost of their rows, nano-dollars": f"{counted.found_nanousd:,}",
        **spark.of(seen),
        "rows with status 200 and no error, not from the cache": f"{compared.rows:,}",
        "their cost in the provider's own account, nano-dollars": f"{compared.stated_nanousd:,}",
        "their cost in the bucket, nano-dollars": f"{compared.found_nanousd:,}",
    }
    return count_table(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/fleet", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("minutes", type=float, nargs="?", default=10.0)
    parser.add_argument("--rate", type=float, default=10.0, help="calls a second")
    parser.add_argument("--seed", type=int, default=random.randrange(10**9))
    options = parser.parse_args()
    if shutil.which("redis-server") is None:
        print("redis-server is not installed: apt-get install redis-server", file=sys.stderr)
        return 1
    folder = Path(tempfile.mkdtemp(prefix="heliograph-fleet-"))
    done: Counter[str] = Counter()
    ledger = Ledger()
    with FakeProviders(keep_requests=False, on_answer=ledger) as provider, running(folder, provider.url) as fleet:
        print(f"{options.rate:g} calls a second, seed {options.seed}, data in {folder}\n", flush=True)
        callers = Callers(fleet.port, options.rate, options.seed)
        asyncio.run(under_load(fleet, callers, options.minutes * 60, done))
        known = known_to_the_doctor(fleet)
        for part in fleet.proxies:
            part.stop()
        problems = ship_all(fleet)
        counted = count(data_folder(LAKE), callers.seen)
        compared = ledger.compared(data_folder(LAKE))
        spark = in_spark(folder / "copy for Spark", callers.seen)
    print(f"\n{summary(callers.seen, counted, compared, spark, done, options.minutes, known)}")
    problems += verdict(callers.seen, counted, compared, spark)
    print("\nverdict: " + ("good" if not problems else "\n".join(["not good", *problems])))
    if not problems:
        shutil.rmtree(folder)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
