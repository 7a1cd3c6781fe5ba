"""Ctrl-C while DuckDB answers."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import duckdb

_AGAIN_S: Final = 0.05


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
    """DuckDB alone would wait until each of its threads has done the piece of work that it has, which may take hours; and a
    Ctrl-C just before it begins a statement is forgotten: the statement begins uninterrupted, and what Python raised may be
    dropped by what DuckDB was doing. So the connection is interrupted until all has ended. Not where a program handles Ctrl-C
    in a way of its own, or asks in another thread than its first: it gets no signals."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield
        return
    has_ended = threading.Event()
    repeating: list[threading.Thread] = []

    def interrupt_again() -> None:
        while not has_ended.wait(_AGAIN_S):
            connection.interrupt()

    def interrupt(number: int, frame: FrameType | None) -> None:
        connection.interrupt()
        if not repeating:
            repeating.append(threading.Thread(target=interrupt_again, daemon=True))
            repeating[0].start()
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    except duckdb.InterruptException as error:
        if repeating:
            raise KeyboardInterrupt from error
        raise
    finally:
        signal.signal(signal.SIGINT, handler)
        has_ended.set()
        for thread in repeating:
            thread.join()  # a closed connection must not be interrupted
    if repeating:
        raise KeyboardInterrupt
