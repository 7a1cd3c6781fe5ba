"""Makes the rows of large calls in a process that may be killed: no body can stall the settler or take all memory.

    python -m addon.settling.row_worker --data DIR [--config FILE]

What a call's bodies decode to decides: small ones are read in the settler itself. The worker reads calls from its
standard input and answers on its standard output, pickled, with the length in front. Both ends are ours. For each call
it has some seconds of CPU, in which the slowest honest call of 16 MiB is read several times; then the system ends it.
"""

import argparse
import os
import pickle
import resource
import select
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Final

from addon.metering.content_coding import is_small
from addon.metering.price import PriceList
from addon.settling.charged_once import ChargedOnce
from addon.settling.journal_reader import Call
from addon.settling.rows import make_rows
from addon.storage.folders import Folders
from addon.storage.record import BodyRow, RequestRow

READ_HERE_BYTES: Final = 256 * 2**10
CPU_S: Final = 5.0
WALL_S: Final = 30.0  # on a busy machine its seconds of CPU take longer
START_S: Final = 60.0
MEMORY_BYTES: Final = 3 * 2**30
_LENGTH: Final = struct.Struct("!Q")
_HOME: Final = Path(__file__).resolve().parents[2]

Rows = tuple[RequestRow, BodyRow]


class TooCostly(Exception):
    """Reading a call took more time or memory than any call may take."""


class ReadingFailed(Exception):
    """Reading a call raised in the worker; `kind` is the name of that exception."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class RowMaker:
    """Makes the rows of a call: here where its decoded bodies are small, else in a worker that is started when needed."""

    def __init__(self, prices: PriceList, data: Path, config: Path | None, wall_s: float = WALL_S) -> None:
        self._prices, self._wall_s = prices, wall_s
        self._charged = ChargedOnce(Folders(data).charged)
        self._arguments = ["--data", str(data), *(("--config", str(config)) if config else ())]
        self._worker: subprocess.Popen[bytes] | None = None

    def __call__(self, call: Call) -> Rows:
        """Raises TooCostly, ReadingFailed, and whatever a bug of ours raises."""
        answer_coding = call.end.content_encoding if call.end else None
        if is_small(call.request, call.start.content_encoding, READ_HERE_BYTES) and is_small(
            call.response, answer_coding, READ_HERE_BYTES
        ):
            return make_rows(call, self._prices, self._charged)
        try:
            return self._ask(pickle.dumps(call))
        except (TooCostly, OSError) as error:
            self.close()
            raise TooCostly(str(error)) from error

    def _ask(self, question: bytes) -> Rows:
        if self._worker and self._worker.poll() is not None:  # somebody ended it between two calls
            self.close()
        worker = self._worker or self._start()
        assert worker.stdin and worker.stdout
        deadline = time.monotonic() + self._wall_s
        _deliver(worker.stdin, _LENGTH.pack(len(question)) + question, deadline)
        answer = pickle.loads(_receive(worker.stdout, deadline))
        if isinstance(answer, dict):
            raise ReadingFailed(answer["kind"], answer["message"])
        rows: Rows = answer
        return rows

    def _start(self) -> subprocess.Popen[bytes]:
        paths = (str(_HOME), os.environ.get("PYTHONPATH"))
        worker = subprocess.Popen(
            [sys.executable, "-P", "-m", "addon.settling.row_worker", *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )
        self._worker = worker
        assert worker.stdin and worker.stdout
        os.set_blocking(worker.stdin.fileno(), False)  # one that does not read must not stop us
        _receive(worker.stdout, time.monotonic() + START_S)  # it has loaded the prices
        return worker

    def close(self) -> None:
        """Ends the worker, whatever it is doing."""
        self._charged.close()
        worker, self._worker = self._worker, None
        if worker:
            worker.kill()
            for pipe in filter(None, (worker.stdin, worker.stdout)):
                pipe.close()
            worker.wait()


def _deliver(target: IO[bytes], data: bytes, deadline: float) -> None:
    """Raises TooCostly where the worker does not take it in time, and OSError where it has ended."""
    view = memoryview(data)
    while view:
        if not select.select([], [target], [], max(0.0, deadline - time.monotonic()))[1]:
            raise TooCostly("it took too long")
        view = view[os.write(target.fileno(), view) :]


def _receive(source: IO[bytes], deadline: float) -> bytes:
    """One message. Raises TooCostly where the worker has ended, or has not answered by then (monotonic)."""
    (length,) = _LENGTH.unpack(_exactly(source, _LENGTH.size, deadline))
    return _exactly(source, length, deadline)


def _exactly(source: IO[bytes], length: int, deadline: float) -> bytes:
    data = bytearray()
    while len(data) < length:
        ready, _, _ = select.select([source], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TooCostly("it took too long")
        part = os.read(source.fileno(), min(length - len(data), 2**20))
        if not part:
            raise TooCostly("it took too much time or memory")
        data += part
    return bytes(data)


def _send(target: IO[bytes], message: object) -> None:
    data = pickle.dumps(message)
    target.write(_LENGTH.pack(len(data)) + data)
    target.flush()


def main() -> int:
    from addon.config import settings
    from addon.metering import fetched_list

    parser = argparse.ArgumentParser(prog="addon.settling.row_worker", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--config", type=Path)
    options = parser.parse_args()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing else may get between the answers
    config = options.config if options.config and options.config.exists() else None
    fetched_list.use(options.data)  # the settler has told of a list that cannot be used
    prices = PriceList(settings.load_what_can_be_read(options.data, config)[0].prices)
    charged = ChargedOnce(Folders(options.data).charged)
    if sys.platform != "darwin":  # which refuses the call
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    _send(answers, None)
    while head := sys.stdin.buffer.read(_LENGTH.size):
        call: Call = pickle.loads(sys.stdin.buffer.read(_LENGTH.unpack(head)[0]))
        signal.setitimer(signal.ITIMER_PROF, CPU_S)
        answer: Rows | dict[str, str]  # of this file nothing can be pickled: it is `__main__` here
        try:
            answer = make_rows(call, prices, charged)
        except Exception as error:
            answer = {"kind": type(error).__name__, "message": str(error)}
        signal.setitimer(signal.ITIMER_PROF, 0)
        _send(answers, answer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
