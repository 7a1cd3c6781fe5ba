"""Kills writers and settlers under load and counts what is lost or doubled. Run it by `scripts/kill_loop`.

Each writer is a process that journals calls as the proxy does, with a settler of its own on the lifeline, and notes a
call's id in a file once `Journal.end` has returned True: an answered call; then it scores the call and notes that. Every now and then SIGKILL hits a writer or a
settler; a new one takes its place. At the end all are killed, one clean settle follows, and the ids are compared with
the rows. A reader looks at the visible files all the while, as a report would.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import orjson
import pyarrow.parquet as pq

from addon.ids import uuid7
from addon.settling.process import settle_leftovers, unsettled_segments
from addon.storage.folders import Folders
from addon.storage.journal import Journal
from addon.storage.journal_lines import CallEnd, CallStart
from addon.storage.lake import visible_files
from addon.storage.record import ScoreRow
from scripts import kill_proxy
from scripts.count_table import count_table
from scripts.running import wait_for_more

WRITERS: Final = 2
CALLS_PER_S: Final = 150  # of each writer
OPEN_CALLS: Final = 12
SCORED: Final = "scored"  # the file that names calls whose score was acknowledged
INTERRUPTED: Final = "heliograph_interrupted"


@dataclass(slots=True)
class Tally:
    """What the loop saw."""

    kills: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    rows: int = 0
    interrupted: int = 0
    lost: int = 0
    doubled: int = 0
    torn_bodies: int = 0
    unpriced: int = 0
    scores_lost: int = 0
    scores_doubled: int = 0
    looks: int = 0  # by the reader, while everything was running
    wrong_looks: int = 0

    @property
    def is_good(self) -> bool:
        return not (
            self.lost
            or self.doubled
            or self.torn_bodies
            or self.unpriced
            or self.scores_lost
            or self.scores_doubled
            or self.wrong_looks
        )


# A writer, in place of the proxy.


def write_calls(data: Path, acks: Path) -> None:
    journal = Journal(Folders(data).journal)
    journal.open()
    settler = start_settler(data, journal.run)
    noted = os.open(acks, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    scored = os.open(acks.with_name(SCORED), os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    calls: list[OneCall] = []
    while True:
        if settler.poll() is not None:
            settler = start_settler(data, journal.run)
        for _ in range(10):
            while len(calls) < OPEN_CALLS:
                calls.append(OneCall(journal))
            call = random.choice(calls)
            if call.advance():
                os.write(noted, f"{call.id} {time.time()}\n".encode())
                calls.remove(call)
                score = ScoreRow(request_id=call.id, created_at=datetime.now(UTC), name="depth", value=1.0)
                if journal.tell([score]):
                    os.write(scored, f"{call.id}\n".encode())
        time.sleep(10 / (CALLS_PER_S * 6))  # a call takes about 6 steps


def start_settler(data: Path, run: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "addon.settling.process", "--data", str(data), "--run", run]
    settler = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    with (data / "settlers").open("a") as pids:
        pids.write(f"{settler.pid}\n")
    return settler


class OneCall:
    """A call that takes a step at a time, among others: start, pieces of both bodies, an end, now and then amended."""

    def __init__(self, journal: Journal) -> None:
        self.id = uuid7()
        self._journal = journal
        request, response = bodies(self.id)
        self._pieces = [("request", request), ("response", response[:60]), ("response", response[60:120])]
        self._pieces.append(("response", response[120:]))
        self._started = self._answered = False

    def advance(self) -> bool:
        """Takes one step. True: this one answered the call, and the journal has it."""
        end = CallEnd(status=200, content_type="application/json", duration_ms=5)
        if not self._started:
            self._started = True
            self._journal.start(self.id, call_start(self.id))
        elif self._pieces:
            side, data = self._pieces.pop(0)
            self._journal.piece(self.id, "request" if side == "request" else "response", data)
        elif not self._answered and random.random() < 0.3:
            self._answered = True
            self._journal.end(self.id, end, final=False)
        else:
            return self._journal.end(self.id, end, final=True)
        return False


def call_start(call_id: str) -> CallStart:
    return CallStart(
        request_id=call_id,
        started_at_us=time.time_ns() // 1000 - random.choice((0, 86_400_000_000)),  # two dates, so two Parquet files
        provider_name="openai",
        operation_name="chat",
        method="POST",
        host="api.openai.com",
        path="/v1/chat/completions",
        mode="forward",
        content_type="application/json",
    )


def bodies(call_id: str) -> tuple[bytes, bytes]:
    question = {"role": "user", "content": call_id * random.randint(1, 100)}
    usage = {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29}
    answer = {"index": 0, "message": {"role": "assistant", "content": f"é {call_id}"}, "finish_reason": "stop"}
    response = {
        "id": call_id,
        "object": "chat.completion",
        "model": "gpt-4o-2024-08-06",
        "choices": [answer],
        "usage": usage,
    }
    return orjson.dumps({"model": "gpt-4o", "messages": [question]}), orjson.dumps(response)


# The loop.


def kill_loop(data: Path, kills: int, pause_s: tuple[float, float]) -> Tally:
    tally = Tally()
    acks = data / "acknowledged"
    for path in (acks, data / SCORED, data / "settlers"):
        path.touch()
    writers = [start_writer(data, acks) for _ in range(WRITERS)]
    try:
        while tally.kills.total() < kills:
            wait_for_more(lambda: acks.stat().st_size)
            time.sleep(random.uniform(*pause_s))
            look(data, acks, tally)
            if random.random() < 0.5:
                index = random.randrange(WRITERS)
                kill(writers[index].pid)
                writers[index].wait()
                tally.kills["writer"] += 1
                writers[index] = start_writer(data, acks)
            elif settlers := live_settlers(data):
                kill(random.choice(settlers))
                tally.kills["settler"] += 1
    finally:
        for writer in writers:
            kill(writer.pid)
            writer.wait()
        for pid in live_settlers(data):
            kill(pid)
    deadline = time.monotonic() + 120
    while unsettled_segments(Folders(data)) and time.monotonic() < deadline:
        settle_leftovers(data)  # does nothing while a killed settler still holds the lock
        time.sleep(0.05)
    check(data, acks, tally)
    return tally


def start_writer(data: Path, acks: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "scripts.kill_loop", "--writer", str(acks), "--data", str(data)]
    return subprocess.Popen(command)


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it ended by itself


def live_settlers(data: Path) -> list[int]:
    """Settlers that still run; also those whose writer is dead, which finish its calls."""
    pids = (int(line) for line in (data / "settlers").read_text().split())
    return [pid for pid in pids if is_settler(pid, data)]


def is_settler(pid: int, data: Path) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return b"addon.settling.process" in command and os.fsencode(data) in command


def look(data: Path, acks: Path, tally: Tally) -> None:
    """What a report would see at this moment: no row twice, and no row missing that was visible before."""
    try:
        ids = Counter(visible_ids(data)) | Counter(visible_ids(data, "scores"))
    except FileNotFoundError:
        return  # the grace ended before we opened it; a report would list again
    tally.looks += 1
    tally.wrong_looks += any(count > 1 for count in ids.values())


def visible_ids(data: Path, table: str = "requests") -> Iterable[str]:
    listing = visible_files(data, table)
    for path in listing.settled:
        for line in path.read_bytes().split(b"\n")[:-1]:
            yield orjson.loads(line)["request_id"]
    for path in listing.parquet:
        yield from pq.read_table(path, columns=["request_id"])["request_id"].to_pylist()


def check(data: Path, acks: Path, tally: Tally) -> None:
    acknowledged = {line.split()[0] for line in acks.read_text().splitlines()}
    ids = Counter(visible_ids(data))
    assert not visible_files(data, "requests").settled, "a clean settle leaves everything in Parquet"
    tally.acknowledged = len(acknowledged)
    tally.rows = ids.total()
    tally.lost = len(acknowledged - ids.keys())
    tally.doubled = sum(count - 1 for count in ids.values())
    scored = set((data / SCORED).read_text().splitlines())
    scores = Counter(visible_ids(data, "scores"))
    tally.scores_lost = len(scored - scores.keys())
    tally.scores_doubled = sum(count - 1 for count in scores.values())
    for path in visible_files(data, "requests").parquet:
        for row in pq.read_table(path, columns=["request_id", "error_type", "cost_nanousd"]).to_pylist():
            tally.interrupted += row["error_type"] == INTERRUPTED
            tally.unpriced += row["request_id"] in acknowledged and row["cost_nanousd"] != 147_500
    bodies_seen: Counter[str] = Counter()
    for path in visible_files(data, "bodies").parquet:
        for row in pq.read_table(path, columns=["request_id", "response_text"]).to_pylist():
            bodies_seen[row["request_id"]] += 1
            whole = row["response_text"] == f"é {row['request_id']}"
            tally.torn_bodies += row["request_id"] in acknowledged and not whole
    tally.torn_bodies += bodies_seen != ids


def report(tally: Tally, seconds: float) -> str:
    lines = {
        "kills (writers, settlers)": f"{tally.kills.total()} ({tally.kills['writer']}, {tally.kills['settler']})",
        "seconds": f"{seconds:.0f}",
        "calls answered": f"{tally.acknowledged:,}",
        "rows": f"{tally.rows:,}",
        "of them calls under way at a kill": f"{tally.interrupted:,}",
        "answered calls lost": f"{tally.lost}",
        "rows doubled": f"{tally.doubled}",
        "answered calls without their whole body": f"{tally.torn_bodies}",
        "answered calls without their cost": f"{tally.unpriced}",
        "acknowledged scores lost, scores doubled": f"{tally.scores_lost}, {tally.scores_doubled}",
        "looks of a reader meanwhile (with a row twice)": f"{tally.looks} ({tally.wrong_looks})",
    }
    return count_table(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/kill_loop", description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--pause", type=float, nargs=2, default=(0.2, 2.5), help="seconds between kills: least, most")
    parser.add_argument("--proxy", action="store_true", help="kill the real proxy, with clients on real sockets")
    parser.add_argument("--writer", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.writer:
        write_calls(options.data, options.writer)
    if options.proxy:
        return kill_proxy.main(options.kills, tuple(options.pause))
    data = Path(tempfile.mkdtemp(prefix="heliograph-kill-loop-"))
    began = time.monotonic()
    tally = kill_loop(data, options.kills, tuple(options.pause))
    print(report(tally, time.monotonic() - began))
    if tally.is_good:
        shutil.rmtree(data)
        return 0
    print(f"the data is in {data}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
