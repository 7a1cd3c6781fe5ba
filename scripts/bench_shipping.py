"""CPU of shipping, by the calls of a round: `python -m scripts.bench_shipping`. Needs moto; prints one table and what follows.

As in a proxy at work: every 20 seconds two new files of each table, merged into one and shipped beside those of the rounds before, which all
are of one day. CPU is of this process with all of its threads, so other work on the machine makes it larger by a fifth at most.
"""

import os
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from addon.objects.store import Store
from addon.settling.parquet import read_parts, write_parquet
from addon.settling.settled_files import dump_line, row_fields
from addon.settling.shipping import Shipper
from addon.storage.folders import Folders
from addon.storage.record import RequestRow
from tests.analysis.writing import body_of, made_up_rows, segment
from tests.buckets import CREDENTIALS, make_bucket, s3_server

ROUNDS: Final = 40  # of which the last half counts: a day has few files at its beginning
SIZES: Final = (20, 200, 1000)  # calls of a round: 1, 10 and 50 a second
BODY_BYTES: Final = 3000


def main() -> None:
    print("| calls a round | CPU of a round ms | a call ms |\n| ---: | ---: | ---: |")
    found = []
    with s3_server() as server:
        os.environ |= CREDENTIALS | {"AWS_ENDPOINT_URL": server}
        for calls in SIZES:
            taken = _round_s(calls, make_bucket(server, f"bench-{calls}"))
            found.append((calls, taken))
            print(f"| {calls:,} | {1000 * taken:.1f} | {1000 * taken / calls:.3f} |", flush=True)
    slope, base = statistics.linear_regression(*zip(*found, strict=True))
    print(
        f"\na round: {1000 * base:.1f} ms, and a call more: {1e6 * slope:.1f} µs (SHIP_ROUND and SHIP_CALL in scripts/measured.py)"
    )


def _round_s(calls: int, url: str) -> float:
    """Seconds of CPU, the median."""
    taken = []
    with tempfile.TemporaryDirectory(prefix="heliograph-bench-") as folder:
        folders = Folders(Path(folder))
        shipper = Shipper(folders, Store(url))
        begun = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
        rows = [replace(row, started_at=begun) for row in made_up_rows(calls)]
        for number in range(ROUNDS):
            new = [
                replace(
                    row,
                    request_id=f"{row.request_id[:8]}-{number:04x}{row.request_id[13:]}",
                    started_at=begun + timedelta(seconds=number),
                )
                for row in rows
            ]
            for part in (0, 1):
                _write(folders, new[part::2], 2 * number + part)
            cpu_begun = time.process_time()
            shipper.round(gathers=True)
            taken.append(time.process_time() - cpu_begun)
    return statistics.median(taken[ROUNDS // 2 :])


def _write(folders: Folders, rows: Sequence[RequestRow], number: int) -> None:
    """A segment as the settler leaves it, with bodies that are like real ones to a compressor."""
    dice = random.Random(number)
    bodies = []
    for row in rows:
        words = " ".join(f"word{dice.randrange(3000)}" for _ in range(BODY_BYTES // 9))
        bodies.append(
            replace(body_of(row), request_body=words, response_body=words[: BODY_BYTES // 2], response_text=None)
        )
    day = rows[0].started_at.date()
    for table, records in (("requests", list(rows)), ("bodies", bodies)):
        lines = [dump_line(row_fields(record)) for record in records]
        write_parquet(folders.parquet(table, segment(number), day), table, read_parts(lines, table))


if __name__ == "__main__":
    main()
