"""Bounds on the memory of this process: a question of a stranger may ask for more than the machine has.

Two lines of defence behind DuckDB's own `memory_limit`, which does not count everything. The limit on data makes the one
large allocation fail, so that only its question fails (Linux). The watch ends the process where the kernel keeps no such
limit (macOS), or where many small allocations together are too much.
"""

import os
import resource
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

TICK_S: Final = 0.02
_STATUS: Final = Path("/proc/self/status")


def limit_data(more_bytes: int) -> None:
    """From here on this process can allocate so many bytes more than it has now; then allocations fail.

    numpy, where it is imported later, is told to do with one thread: its OpenBLAS sets 40 MB aside for each core."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if not _STATUS.exists():
        return  # macOS knows the limit and does not keep it
    most = _status_bytes("VmData") + more_bytes
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or most < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def data_bytes() -> int:
    """What counts towards the limit on data: all memory that was asked for, occupied or not. On macOS `resident_bytes`."""
    return _status_bytes("VmData") if _STATUS.exists() else resident_bytes()


def resident_bytes() -> int:
    """Memory that this process occupies; on macOS the most that it ever did."""
    if _STATUS.exists():
        return _status_bytes("VmRSS")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@contextmanager
def watched(most_bytes: int, exceeded: Callable[[], None]) -> Iterator[None]:
    """Calls `exceeded`, in a thread, once this process occupies more than that, until the block is left."""
    done = threading.Event()

    def look() -> None:
        while not done.wait(TICK_S):
            if resident_bytes() > most_bytes:
                exceeded()
                return

    thread = threading.Thread(target=look, name="memory-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def end_process(message: str) -> None:
    """Ends this process at once with status 1. What it wrote to the journal is in the kernel's hands already."""
    print(f"heliograph: {message}", file=sys.stderr, flush=True)
    os._exit(1)


def _status_bytes(name: str) -> int:
    """A line of /proc/self/status that counts in kB."""
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0
