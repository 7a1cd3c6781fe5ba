"""Sends the planned calls of the demo through the proxy, by a few threads over plain HTTP.

It must run where only the runtime dependencies are installed, so no SDK here.
"""

import http.client
import json
import queue
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from addon.demo.plan import PlannedCall, Run, plan_runs

WORKERS: Final = 8
TIMEOUT_S: Final = 30.0
EVENTS_BEFORE_LEAVING: Final = 6  # some words have come then, whichever provider's stream it is


@dataclass(slots=True, kw_only=True)
class LoadResult:
    """What the programs saw. A call that was cut or left counts under the status it had got."""

    calls: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    broken: int = 0  # answers that ended before their end
    left: int = 0  # programs that went away


def run_load(base_url: str, calls: int = 300, progress: Callable[[int], None] | None = None) -> LoadResult:
    """Send the plan through the proxy at `base_url`; `progress` is told how many calls are done, from one thread at a time.

    A proxy that cannot be reached raises OSError. What providers do wrong is part of the plan and is counted.
    """
    plan: queue.SimpleQueue[Run] = queue.SimpleQueue()
    for run in plan_runs(calls):
        plan.put(run)
    result = LoadResult()
    lock = threading.Lock()
    errors: list[Exception] = []

    def note(call: PlannedCall, status: int, is_whole: bool) -> None:
        with lock:
            result.calls += 1
            result.statuses[status] += 1
            result.left += call.leaves_early
            result.broken += not is_whole and not call.leaves_early
            if progress:
                progress(result.calls)

    def work() -> None:
        connection: http.client.HTTPConnection | None = None
        address = urlsplit(base_url)
        try:
            connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT_S)
            while not errors:
                try:
                    run = plan.get_nowait()
                except queue.Empty:
                    return
                for call in run:
                    note(call, *send(connection, call))
        except Exception as error:  # a thread cannot raise to its caller: run_load does, below
            errors.append(error)
        finally:
            if connection:
                connection.close()

    workers = [threading.Thread(target=work, name=f"load-{number}") for number in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if errors:
        raise errors[0]
    return result


def send(connection: http.client.HTTPConnection, call: PlannedCall) -> tuple[int, bool]:
    """(status, whether the whole answer came); status 0: the connection ended before any answer.

    The connection is kept for the next call, or reopened by it.
    """
    connection.request("POST", call.path, json.dumps(call.body).encode(), call.headers)
    try:
        response = connection.getresponse()
    except http.client.RemoteDisconnected:
        connection.close()
        return 0, False
    try:
        if call.leaves_early:
            for _ in range(EVENTS_BEFORE_LEAVING):
                while response.readline().strip():
                    pass  # a blank line ends the event
            response.close()  # the response holds the socket open as well
            connection.close()
            return response.status, False
        response.read()
    except (http.client.IncompleteRead, ConnectionResetError):
        connection.close()
        return response.status, False
    return response.status, True
