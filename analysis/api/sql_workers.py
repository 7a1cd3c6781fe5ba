"""Callers' SQL, each question in a process of its own that may be killed: whatever it takes, the API process goes on.

    python -m analysis.api.sql_workers --data DIR

A few run at once; one stays for the next question, since its start takes a second. DuckDB has a bound on memory, and the
process has one that also counts what DuckDB does not (long rows, the answer). A question that is not answered in time is
killed with its process. The SQL is confined as for `heliograph sql` (`analysis/lake.py`, `analysis/table.py`).
"""

import argparse
import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread
import duckdb
import orjson

from addon.storage.folders import NotOurs
from addon.worker import Answers, Ended, TooSlow, Worker, questions
from analysis.api.asking import MEMORY, MOST_S, TOO_MUCH_MEMORY, WAIT_S, Place, took_too_long
from analysis.api.envelope import UNSAFE, ApiError
from analysis.column_hints import with_hint
from analysis.faces.render import json_object
from analysis.lake import Lake
from analysis.process_memory import data_bytes, end_process, limit_data, watched
from analysis.table import NotAllowed, stream_user_sql, unique

PLACES: Final = 2  # two cores answer no faster with more
MOST_ROWS: Final = 300_000  # Helicone's
MOST_BYTES: Final = 64 * 2**20  # of rows as JSON: they are in memory until they are sent
MOST_PROCESS_BYTES: Final = 768 * 2**20  # of one question, above what an idle process takes
SPENT_BYTES: Final = 192 * 2**20  # what a worker keeps after a question, beyond which the next one gets a fresh worker
_OK: Final = 200
_ENDING: Final = "heliograph is ending"
_FIT, _SPENT = b"+", b"-"  # the first byte of an answer: whether its worker may be asked again


class SqlWorkers:
    """The side that asks."""

    def __init__(self, data: Path, most_s: float = MOST_S, wait_s: float = WAIT_S) -> None:
        self._data, self._most_s, self._wait_s = data, most_s, wait_s
        self._places, self._threads = anyio.Semaphore(PLACES), anyio.CapacityLimiter(PLACES)
        self._lock = threading.Lock()
        self._idle: Worker | None = None
        self._asked: set[Worker] = set()
        self._ended = False

    async def ask(self, sql: str) -> orjson.Fragment:
        """Rows, milliseconds, bytes and number of rows. Raises ApiError."""
        async with Place(self._places, self._wait_s):
            return await anyio.to_thread.run_sync(self._ask_now, sql.encode(errors="replace"), limiter=self._threads)

    def prepare(self) -> None:
        """Starts the process that the next question gets, where none waits. Raises nothing: the question says what is wrong."""
        with contextlib.suppress(ApiError):
            self._put_back(self._take())

    def end(self) -> None:
        """Kills what runs. No question is taken afterwards."""
        with self._lock:
            self._ended = True
            for worker in self._asked:
                worker.kill()
            if self._idle:
                self._idle.close()

    @property
    def under_way(self) -> int:
        return len(self._asked)

    def _ask_now(self, sql: bytes) -> orjson.Fragment:
        worker = self._take()
        try:
            told = worker.ask(sql, self._most_s)
        except TooSlow as error:
            refusal: ApiError = took_too_long(self._most_s)
            refusal.__cause__ = error
        except (Ended, OSError) as error:
            refusal = ApiError(503, _ENDING) if self._ended else ApiError(422, TOO_MUCH_MEMORY)
            refusal.__cause__ = error
        else:
            if told[:1] == _SPENT:
                self._drop(worker)
            else:
                self._put_back(worker)
            return _read(told[1:])
        self._drop(worker)
        raise refusal

    def _take(self) -> Worker:
        """A worker that waits for a question. Raises ApiError."""
        with self._lock:
            worker, self._idle = self._idle, None
        if worker and not worker.is_running:
            worker.close()
            worker = None
        try:
            worker = worker or Worker("analysis.api.sql_workers", "--data", str(self._data))
        except (TooSlow, Ended, OSError) as error:
            raise ApiError(503, f"the process that answers SQL did not start: {error}") from error
        with self._lock:
            self._asked.add(worker)
            if not self._ended:
                return worker
        self._drop(worker)
        raise ApiError(503, _ENDING)

    def _put_back(self, worker: Worker) -> None:
        with self._lock:
            self._asked.discard(worker)
            if self._idle is None and not self._ended:
                self._idle = worker
                return
        worker.close()

    def _drop(self, worker: Worker) -> None:
        with self._lock:
            self._asked.discard(worker)
        worker.close()


def _read(told: bytes) -> orjson.Fragment:
    """An answer without its first byte: a status of three digits, then JSON or a message."""
    status, content = int(told[:3]), told[3:]
    if status != _OK:
        raise ApiError(status, content.decode())
    return orjson.Fragment(content)


def main() -> int:
    answers = Answers()
    parser = argparse.ArgumentParser(prog="analysis.api.sql_workers", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    lake = Lake(parser.parse_args().data, memory=MEMORY)
    limit_data(MOST_PROCESS_BYTES)
    usual = data_bytes()
    with watched(2 * MOST_PROCESS_BYTES, _give_up):
        answers.ready()
        for question in questions():
            signal.setitimer(signal.ITIMER_REAL, 2 * MOST_S)  # the side that asks may have been killed
            status, content = _answer(lake, question.decode())
            signal.setitimer(signal.ITIMER_REAL, 0)
            is_spent = data_bytes() > usual + SPENT_BYTES
            answers.send((_SPENT if is_spent else _FIT) + b"%d" % status + content)
    return 0


def _give_up() -> None:
    end_process("a caller's SQL needed more memory than it may have; its process was ended")


def _answer(lake: Lake, sql: str) -> tuple[int, bytes]:
    """A status and the JSON of the answer, or the message of an error."""
    try:
        return _OK, lake.ask(lambda connection: _execute(connection, sql))
    except ApiError as error:
        return error.status, error.message.encode()
    except (duckdb.OutOfMemoryException, MemoryError):
        return 422, TOO_MUCH_MEMORY.encode()
    except NotOurs as error:
        print(f"heliograph: {error}", file=sys.stderr)
        return 503, UNSAFE.encode()
    except (duckdb.Error, NotAllowed) as error:
        return 400, f"sql: {with_hint(str(error))}".encode(errors="replace")


def _execute(connection: duckdb.DuckDBPyConnection, sql: str) -> bytes:
    """Raises ApiError: nothing is cut off silently."""
    began = time.monotonic()
    columns, found = stream_user_sql(connection, sql)
    rows, size = _as_json(unique(columns), found)
    took_ms = round((time.monotonic() - began) * 1000, 3)
    more = b',"elapsedMilliseconds":%a,"size":%d,"rowCount":%d}' % (took_ms, size, len(rows))
    return b'{"rows":[' + b",".join(rows) + b"]" + more


def _as_json(names: Sequence[str], found: Iterable[tuple[Any, ...]]) -> tuple[list[bytes], int]:
    """(rows as JSON, their bytes). Raises ApiError where they are too many."""
    rows: list[bytes] = []
    size = 0
    for row in found:
        longest = max((len(value) for value in row if isinstance(value, str | bytes)), default=0)
        text = b"" if longest > MOST_BYTES else json_object(dict(zip(names, row, strict=True))).encode(errors="replace")
        size += max(longest, len(text))
        if size > MOST_BYTES:
            raise ApiError(422, f"sql: answers more than {MOST_BYTES >> 20} MiB; add a limit or take fewer columns")
        if len(rows) == MOST_ROWS:
            raise ApiError(422, f"sql: answers more than {MOST_ROWS} rows; add a limit")
        rows.append(text)
    return rows, size


if __name__ == "__main__":
    sys.exit(main())
