"""Ctrl-C ends `heliograph` whenever it comes: while Python starts, within a callback of Python's own, at the very end."""

import signal
import subprocess
import sys
import textwrap


def ended(before: str, *words: str) -> subprocess.CompletedProcess[str]:
    """The program with these words, after a few lines of Python that have Ctrl-C come at a certain moment."""
    code = f"import atexit, signal, sys, time, weakref\n{textwrap.dedent(before)}\nfrom addon.commands.program import main\nmain()"
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60, check=False)


def test_while_modules_are_imported_the_signal_ends_it() -> None:
    interrupts = """
    class Interrupts:
        @staticmethod
        def find_spec(name, path, target=None):
            if name == "click":
                signal.raise_signal(signal.SIGINT)
    sys.meta_path.insert(0, Interrupts)
    """
    program = ended(interrupts, "--version")
    assert (program.returncode, program.stderr) == (-signal.SIGINT, "")


def test_while_python_itself_ends_the_signal_ends_it() -> None:
    program = ended("atexit.register(signal.raise_signal, signal.SIGINT)", "--version")
    assert (program.returncode, program.stderr) == (-signal.SIGINT, "")


def test_what_python_drops_comes_again() -> None:
    waits = """
    class Thing:
        pass
    class Input:
        def read(self):
            thing = Thing()
            reference = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
            del thing
            while True:
                time.sleep(60)
    sys.stdin = Input()
    """
    program = ended(waits, "sql", "-")
    assert program.returncode == 1
    assert program.stderr.strip() == "Aborted!"


def test_it_stays_ignored_where_it_was_ignored() -> None:
    program = ended(
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\natexit.register(signal.raise_signal, signal.SIGINT)", "--version"
    )
    assert program.returncode == 0
