"""What tests ask about processes."""

import psutil


def cpu_s(pid: int) -> float:
    """CPU time of a process and those that it started: SQL of callers runs in one of its own."""
    parent = psutil.Process(pid)
    times = [process.cpu_times() for process in (parent, *parent.children())]
    return float(sum(each.user + each.system for each in times))
