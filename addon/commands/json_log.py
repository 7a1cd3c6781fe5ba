"""`heliograph up --log-json`: every line on standard error as one JSON object, whichever process writes it."""

import json
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final

_STDERR: Final = 2


def log_line(level: str, message: str, **facts: Any) -> str:
    """`{"time": ..., "level": ..., "message": ..., ...}`."""
    time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"time": time, "level": level, "message": message, **facts}, ensure_ascii=False)


class _JsonFormatter(logging.Formatter):
    """A record of this process in one piece, with its level."""

    def format(self, record: logging.LogRecord) -> str:
        facts = {"error": self.formatException(record.exc_info)} if record.exc_info else {}
        return log_line(record.levelname.lower(), _plain(record.getMessage()), **facts)


@contextmanager
def json_stderr() -> Iterator[None]:
    """Puts a pipe in the place of standard error, for this process and those that it starts, and writes what comes out of
    it as JSON lines. Lines that are JSON objects already go through."""
    reading, writing = os.pipe()
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonFormatter())
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    before = os.dup(_STDERR)
    os.dup2(writing, _STDERR)
    os.close(writing)
    lines = os.fdopen(reading, "rb")
    thread = threading.Thread(target=_pass_on, args=(lines, before), name="json-log", daemon=True)
    thread.start()
    try:
        yield
    finally:
        os.dup2(before, _STDERR)  # closes the pipe's end in this process
        thread.join(timeout=5)  # a child that outlives us may hold the other


def _pass_on(lines: BinaryIO, out: int) -> None:
    for line in lines:
        text = line.decode(errors="replace").rstrip("\r\n")
        if not text:
            continue
        told = text if text.startswith('{"') else log_line(_level(text), _plain(text))
        try:
            os.write(out, told.encode() + b"\n")
        except OSError:
            return  # nobody reads any more


def _plain(text: str) -> str:
    """In a log of heliograph its name at each line's beginning says nothing."""
    return text.removeprefix("heliograph: ")


def _level(text: str) -> str:
    """`warning` for our own messages; `error` for others, which are tracebacks of a bug."""
    return "warning" if text.startswith("heliograph") else "error"
