"""How long DuckDB may work on what a person asks."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from analysis.lake import Connection

# A hundred million calls take a minute; a condition can take for ever.
MOST_S: Final = 600.0
_TICK_S: Final = 0.5


@dataclass(slots=True)
class Clock:
    """Runs while DuckDB works. `since`: seconds of `time.monotonic`; None: it stands still."""

    since: float | None

    def of[T](self, rows: Iterator[T]) -> Iterator[T]:
        """The rows. It starts anew for each, and stands still while their reader is busy: a pager may take hours."""
        done = object()
        while True:
            self.since = time.monotonic()
            row = next(rows, done)
            self.since = None
            if row is done:
                return
            yield row  # type: ignore[misc]  # not `done`

    def is_over(self, most_s: float) -> bool:
        return self.since is not None and time.monotonic() - self.since > most_s


@contextmanager
def bounded(connection: "Connection", most_s: float, what: str, advice: str) -> Iterator[Clock]:
    """Stops what runs on the connection for more than `most_s`, as wrong usage: `what` took too long, and `advice`."""
    import duckdb

    done, stopped, clock = threading.Event(), threading.Event(), Clock(time.monotonic())

    def watch() -> None:
        while not done.wait(min(_TICK_S, most_s)):  # again and again: statements are several
            if clock.is_over(most_s):
                stopped.set()
                connection.interrupt()

    watcher = threading.Thread(target=watch, name="duckdb-watch", daemon=True)
    watcher.start()
    try:
        yield clock
    except duckdb.InterruptException as error:
        if not stopped.is_set():
            raise
        raise click.UsageError(f"{what} took more than {most_s:,g} s and was stopped; {advice}") from error
    finally:
        done.set()
        watcher.join()
