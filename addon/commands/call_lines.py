"""A line for each call as it finishes, for `heliograph up --verbose`: a process beside the proxy, as it needs DuckDB.

    python -m addon.commands.call_lines --data DIR --since EPOCH_S [--json | --colour]

Standard input is the lifeline to the proxy: at its end the last calls are settled, are told, and the process ends.
"""

import argparse
import os
import select
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from addon.commands.json_log import log_line
from analysis.faces.render import json_value
from analysis.faces.tail import POLL_S, Call, Tail, line


def main() -> None:
    parser = argparse.ArgumentParser(prog="addon.commands.call_lines", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--since", type=float, required=True, help="calls that began before are not told")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--colour", action="store_true")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the lifeline decides
        signal.signal(number, signal.SIG_IGN)
    calls = Tail(options.data, lambda message: print(f"heliograph: {message}", file=sys.stderr, flush=True))
    calls.begin(datetime.fromtimestamp(options.since, UTC))

    def show(call: Call) -> str:
        return _json(call) if options.json else line(call, colour=options.colour)

    goes_on = True
    while goes_on:
        if select.select([0], [], [], POLL_S)[0]:
            goes_on = bool(os.read(0, 4096))
        for call in calls.new():
            print(show(call), flush=True)


def _json(call: Call) -> str:
    return log_line("info", "call", **{name: json_value(value) for name, value in call.items()})


if __name__ == "__main__":
    main()
