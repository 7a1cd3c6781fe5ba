"""The proxy of `heliograph run` and `demo`, in a thread of their process."""

import subprocess
import sys
from pathlib import Path

# Ctrl-C comes while the thread starts, or at the latest in the body of `with`.
PROGRAM = """
import pathlib, signal, sys, threading, time
from addon.config.settings import load
from addon.serve import ProxyThread

def interrupt():
    while not any(thread.name == "heliograph proxy" for thread in threading.enumerate()):
        time.sleep(0.001)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

threading.Thread(target=interrupt).start()
try:
    with ProxyThread(load(pathlib.Path(sys.argv[1]))):
        time.sleep(3600)
except KeyboardInterrupt:
    print("ended")
"""


def test_ctrl_c_while_it_starts_ends_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    program = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (program.returncode, program.stdout, program.stderr) == (0, "ended\n", "")
