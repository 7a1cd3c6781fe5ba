"""Bounds on a process's memory, each tried in a process of its own."""

import subprocess
import sys

import pytest

LIMITED = """
from analysis.process_memory import limit_data
limit_data(200 * 2**20)
small = bytes(100 * 2**20)
try:
    bytes(300 * 2**20)
except MemoryError:
    print("refused")
"""
WATCHED = """
import time
from analysis.process_memory import end_process, resident_bytes, watched
with watched(resident_bytes() + 50 * 2**20, lambda: end_process("too much")):
    kept = b"x" * (20 * 2**20)
    time.sleep(0.2)
    print("small is allowed", flush=True)
    kept = b"x" * (200 * 2**20)
    time.sleep(30)
    print("still there")
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)


@pytest.mark.skipif(sys.platform != "linux", reason="macOS keeps no limit on data")
def test_an_allocation_beyond_the_limit_fails_and_the_process_goes_on() -> None:
    assert run(LIMITED).stdout == "refused\n"


def test_a_process_that_occupies_too_much_ends_at_once_and_says_why() -> None:
    done = run(WATCHED)
    assert (done.returncode, done.stdout, done.stderr) == (1, "small is allowed\n", "heliograph: too much\n")
