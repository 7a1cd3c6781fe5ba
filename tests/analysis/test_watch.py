"""`heliograph report --watch` on a terminal."""

import os
import pty
import select
import signal
import subprocess
import sys
from pathlib import Path

from tests.analysis.writing import made_up_rows, settle
from tests.waiting import wait_for

CLEARED = b"\x1b[2J"


def read_now(terminal: int) -> bytes:
    """What was written since; b"" at the end, too, where Linux says EIO."""
    if not select.select([terminal], [], [], 0)[0]:
        return b""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def test_it_renews_a_terminal_until_ctrl_c(tmp_path: Path) -> None:
    rows = made_up_rows(30)
    settle(tmp_path, rows[:20], 1)
    ours, theirs = pty.openpty()
    code = "from addon.commands.cli import main; main()"
    asked = ["report", "costs", "--since", "2026-11-19", "--watch", "0.5", "--data", str(tmp_path)]
    watching = subprocess.Popen([sys.executable, "-c", code, *asked], stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = bytearray()

    def shows(text: bytes) -> bool:
        shown.extend(read_now(ours))
        return text in shown.rpartition(CLEARED)[2]

    try:
        wait_for(lambda: shows(b"20 calls"))
        settle(tmp_path, rows[20:], 2)
        wait_for(lambda: shows(b"30 calls"))
        watching.send_signal(signal.SIGINT)
        assert watching.wait(30) == 0
        assert not shows(b"Traceback") and not shows(b"Aborted")
    finally:
        watching.kill()
        watching.wait()
        os.close(ours)
