"""Makes the rows of large calls in a process that may be killed: no body can stall the settler or take all memory.

    python -m addon.settling.row_worker --data DIR [--config FILE]

What a call's bodies decode to decides: small ones are read in the settler itself. Calls and rows are pickled. For each call
the worker has some seconds of CPU, in which the slowest honest call of 16 MiB is read several times; then the system ends it.
"""

import argparse
import pickle
import resource
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from addon.metering.content_coding import is_small
from addon.metering.price import PriceList
from addon.redaction.key import redactor_of
from addon.settling.chains import Chains, Link, ParentUnknown
from addon.settling.charged_once import ChargedOnce
from addon.settling.journal_reader import Call
from addon.settling.redacted import redacted_link, redacted_rows, unreadable_rules
from addon.settling.rows import make_rows
from addon.settling.watchdog import Overtime, Watchdog
from addon.storage.folders import Folders
from addon.storage.record import BodyRow, RequestRow
from addon.worker import Answers, Worker, WorkerFailed, questions

if TYPE_CHECKING:
    from addon.redaction.redactor import Redactor

READ_HERE_BYTES: Final = 256 * 2**10
CPU_S: Final = 5.0
WALL_S: Final = 30.0  # on a busy machine its seconds of CPU take longer
MEMORY_BYTES: Final = 3 * 2**30

Rows = tuple[RequestRow, BodyRow]


class TooCostly(Exception):
    """Reading a call took more time or memory than any call may take."""


class ReadingFailed(Exception):
    """Reading a call raised in the worker; `kind` is the name of that exception."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Reader:
    """Makes the rows of a call, and redacts them where secrets are not to be stored."""

    def __init__(self, data: Path, prices: PriceList, redactor: "Redactor | None") -> None:
        self._prices, self._redactor = prices, redactor
        self._charged, self._chains = ChargedOnce(Folders(data).charged), Chains(Folders(data).chains)

    def rows(self, call: Call) -> Rows:
        """Raises ParentUnknown, and whatever a bug of ours raises."""
        rows = make_rows(call, self._prices, self._charged, self._session)
        return redacted_rows(self._redactor, rows) if self._redactor else rows

    def _session(self, link: Link) -> str | None:
        return self._chains.session(redacted_link(self._redactor, link) if self._redactor else link)

    def close(self) -> None:
        """The next question opens its files again."""
        self._charged.close()
        self._chains.close()


class RowMaker:
    """Makes the rows of a call: here where its decoded bodies are small and quickly read, else in a worker that is started
    when needed."""

    def __init__(
        self,
        prices: PriceList,
        data: Path,
        config: Path | None,
        wall_s: float = WALL_S,
        watchdog: Watchdog | None = None,
        redactor: "Redactor | None" = None,
    ) -> None:
        self._wall_s = wall_s
        self._watchdog = watchdog or Watchdog()
        self._reader = Reader(data, prices, redactor)
        self._arguments = ["--data", str(data), *(("--config", str(config)) if config else ())]
        self._worker: Worker | None = None

    def __call__(self, call: Call) -> Rows:
        """Raises ParentUnknown, TooCostly, ReadingFailed, and whatever a bug of ours raises."""
        answer_coding = call.end.content_encoding if call.end else None
        if is_small(call.request, call.start.content_encoding, READ_HERE_BYTES) and is_small(
            call.response, answer_coding, READ_HERE_BYTES
        ):
            try:
                return self._watchdog.bounded(lambda: self._reader.rows(call))
            except Overtime:
                self._reader.close()  # it may have been interrupted within its files
        try:
            return self._ask(pickle.dumps(call))
        except (WorkerFailed, OSError) as error:
            self.close()
            raise TooCostly(str(error)) from error

    def _ask(self, question: bytes) -> Rows:
        if self._worker and not self._worker.is_running:  # somebody ended it between two calls
            self.close()
        self._worker = self._worker or Worker("addon.settling.row_worker", *self._arguments)
        answer = pickle.loads(self._worker.ask(question, self._wall_s))
        if isinstance(answer, dict):
            if answer["kind"] == ParentUnknown.__name__:
                raise ParentUnknown(answer["message"])
            raise ReadingFailed(answer["kind"], answer["message"])
        rows: Rows = answer
        return rows

    def close(self) -> None:
        """Ends the worker, whatever it is doing."""
        self._reader.close()
        worker, self._worker = self._worker, None
        if worker:
            worker.close()


def main() -> int:
    from addon.config import settings
    from addon.metering import fetched_list

    parser = argparse.ArgumentParser(prog="addon.settling.row_worker", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--config", type=Path)
    options = parser.parse_args()
    answers = Answers()
    fetched_list.use(options.data)  # the settler has told of a list that cannot be used
    loaded, problems = settings.load_beside_proxy(options.data, options.config)
    if unreadable_rules(problems, options.data):  # the settler tells of it
        return 1
    reader = Reader(options.data, PriceList(loaded.prices), redactor_of(loaded.redact, options.data))
    if sys.platform != "darwin":  # which refuses the call
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    answers.ready()
    for question in questions():
        call: Call = pickle.loads(question)
        signal.setitimer(signal.ITIMER_PROF, CPU_S)
        answer: Rows | dict[str, str]  # of this file nothing can be pickled: it is `__main__` here
        try:
            answer = reader.rows(call)
        except Exception as error:
            answer = {"kind": type(error).__name__, "message": str(error)}
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.send(pickle.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
