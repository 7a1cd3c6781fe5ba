"""What tests ask about processes, and of them."""

import re
from pathlib import Path
from threading import Thread
from typing import IO

import psutil


def cpu_s(pid: int) -> float:
    """CPU time of a process and those that it started: SQL of callers runs in one of its own."""
    parent = psutil.Process(pid)
    times = [process.cpu_times() for process in (parent, *parent.children())]
    return float(sum(each.user + each.system for each in times))


def has_ended(pid: int) -> bool:
    """Its parent can wait for it by now. The first thread of a killed process is a zombie while others still end: until
    the last one has, the parent sees a running process and its sockets are open."""
    process = Path(f"/proc/{pid}")
    try:
        state = (process / "stat").read_text().rpartition(")")[2].split()[0]
        return state in "ZX" and len(list((process / "task").iterdir())) <= 1
    except FileNotFoundError:
        return True


def told(output: IO[str], pattern: str) -> re.Match[str]:
    """What a server says of itself when it has started. The rest of its output is read on and thrown away, or it would block when
    the pipe is full."""
    said = ""
    while not (found := re.search(pattern, said)):
        line = output.readline()
        assert line, f"the server ended: {said}"
        said += line
    Thread(target=output.read, daemon=True).start()
    return found
