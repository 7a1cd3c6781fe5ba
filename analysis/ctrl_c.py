"""Ctrl-C while DuckDB answers."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import duckdb


@contextmanager
def as_keyboard_interrupt() -> Iterator[None]:
    """DuckDB takes Ctrl-C while a statement runs, and raises RuntimeError in its place."""
    try:
        yield
    except RuntimeError as error:
        if str(error) == "Query interrupted":
            raise KeyboardInterrupt from error
        raise


@contextmanager
def interrupts(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """DuckDB alone would wait until each of its threads has done the piece of work that it has, which may take hours. Not where
    a program handles Ctrl-C in a way of its own, or asks in another thread than its first: it gets no signals."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        connection.interrupt()
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
