"""A Python process that answers one question at a time and may be killed: for work that could take any time or memory.

Question and answer are bytes on its standard input and output, with the length in front. Both ends are ours. The worker
bounds its own memory; what it must not exceed in time, the side that asks decides.
"""

import os
import select
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import IO, Final

from addon.start_module import module_command, module_environment, tell_starter

START_S: Final = 60.0
_LENGTH: Final = struct.Struct("!Q")


class WorkerFailed(Exception):
    """A question took more time or memory than it may. The worker must be closed."""


class TooSlow(WorkerFailed):
    pass


class Ended(WorkerFailed):
    pass


class Worker:
    """The side that asks, in one thread at a time."""

    def __init__(self, module: str, *arguments: str) -> None:
        """Starts `python -m MODULE ARGUMENTS`, and waits until it is ready. Raises WorkerFailed, OSError."""
        self._process = subprocess.Popen(
            module_command(module, *arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=module_environment(),
            start_new_session=True,  # Ctrl-C is for us; it ends when we close its input
        )
        assert self._process.stdin and self._process.stdout
        self._questions, self._answers = self._process.stdin, self._process.stdout
        os.set_blocking(self._questions.fileno(), False)  # one that does not read must not stop us
        try:
            _receive(self._answers, time.monotonic() + START_S)
        except BaseException:
            self.close()
            raise

    def ask(self, question: bytes, wall_s: float) -> bytes:
        """Raises WorkerFailed, and OSError where the worker ended before it took the question."""
        deadline = time.monotonic() + wall_s
        _deliver(self._questions, _LENGTH.pack(len(question)) + question, deadline)
        return _receive(self._answers, deadline)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """Ends it, whatever it is doing; the thread that asks gets Ended. For other threads."""
        self._process.kill()

    def close(self) -> None:
        self._process.kill()
        for pipe in (self._questions, self._answers):
            pipe.close()
        self._process.wait()


def _deliver(target: IO[bytes], data: bytes, deadline: float) -> None:
    view = memoryview(data)
    while view:
        if not select.select([], [target], [], max(0.0, deadline - time.monotonic()))[1]:
            raise TooSlow("it took too long")
        view = view[os.write(target.fileno(), view) :]


def _receive(source: IO[bytes], deadline: float) -> bytes:
    """One message, by then (monotonic)."""
    (length,) = _LENGTH.unpack(_exactly(source, _LENGTH.size, deadline))
    return _exactly(source, length, deadline)


def _exactly(source: IO[bytes], length: int, deadline: float) -> bytes:
    data = bytearray()
    while len(data) < length:
        ready, _, _ = select.select([source], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TooSlow("it took too long")
        part = os.read(source.fileno(), min(length - len(data), 2**20))
        if not part:
            raise Ended("it took too much time or memory")
        data += part
    return bytes(data)


class Answers:
    """The worker's own side: made first of all, so that nothing else gets between the answers."""

    def __init__(self) -> None:
        self._target = os.dup(1)
        os.dup2(2, 1)

    def ready(self) -> None:
        self.send(b"")

    def send(self, answer: bytes) -> None:
        tell_starter(_LENGTH.pack(len(answer)) + answer, self._target)


def questions() -> Iterator[bytes]:
    """Until the side that asks is gone."""
    while head := sys.stdin.buffer.read(_LENGTH.size):
        yield sys.stdin.buffer.read(_LENGTH.unpack(head)[0])
