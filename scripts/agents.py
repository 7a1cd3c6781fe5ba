"""Installs agents and SDKs, runs each through a real proxy by environment alone, and checks the rows that it leaves.

    scripts/agents                  all of them, one after the other
    scripts/agents codex llm        these
    scripts/agents --list           their names and packages
    scripts/agents --keep           leaves each run's data, output and proxy log in a folder, and names it

The network is needed for npm and PyPI, and only the first time. The providers are fake ones on this machine. A client
that needs anything else (another host, a change to its program) fails; only `bedrock-node` has a line for the proxy, as
docs/clients.md says. Exit 1 when a check failed; a client that could
not be installed is named and is not a failure.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.agent_cases import coding_agents, sdks
from scripts.agent_cases.check import problems
from scripts.agent_cases.install import NotInstalled, install, node_folder, version
from scripts.agent_cases.model import Client
from scripts.agent_cases.run import NotStarted, Run, run

CLIENTS = (*coding_agents.CLIENTS, *sdks.CLIENTS)
SAID_BYTES = 1500  # of a failed client's output


@dataclass(frozen=True, slots=True)
class Outcome:
    """A line of the table, and what was wrong."""

    client: Client
    result: str  # passed | FAILED | not installed: why
    version: str = "-"
    rows: list[dict[str, object]] = field(default_factory=list)
    others: int = 0  # requests to a provider that are not calls: no rows
    wrong: list[str] = field(default_factory=list)

    @property
    def cells(self) -> tuple[str, ...]:
        tokens = [_sum(self.rows, name) for name in ("input_tokens", "output_tokens")]
        cost, listed = (_sum(self.rows, name) for name in ("cost_nanousd", "list_cost_nanousd"))
        price = _usd(cost) if cost is not None else "NULL" + (f" (list {_usd(listed)})" if listed is not None else "")
        told = " + ".join("-" if number is None else str(number) for number in tokens)
        return (self.client.name, self.version, str(len(self.rows)), str(self.others), told, price, self.result)


def _sum(rows: Sequence[dict[str, object]], column: str) -> int | None:
    known = [value for row in rows if isinstance(value := row[column], int)]
    return sum(known) if known else None


def _usd(nanousd: int) -> str:
    return f"{nanousd / 1e9:.9f}".rstrip("0")


def checked(client: Client, cache: Path, home: Path) -> Outcome:
    """Installs and runs one client. `home` is an empty folder."""
    try:
        programs = install(client, cache)
        node = node_folder(cache) if client.registry == "npm" else None
    except NotInstalled as error:
        return Outcome(client, f"not installed: {error}")
    try:
        done = run(client, programs, node, home)
    except NotStarted as error:
        wrong = [f"the proxy: expected an answer of /healthz, came: {str(error)[-SAID_BYTES:]}"]
        return Outcome(client, "FAILED", version(client, programs), wrong=wrong)
    wrong = problems(client, done.rows, done.received, done.folder) + _mishaps(done)
    return Outcome(
        client, "FAILED" if wrong else "passed", version(client, programs), done.rows, len(done.others), wrong
    )


def _mishaps(done: Run) -> list[str]:
    found = []
    if done.status != 0:
        said = done.said[-SAID_BYTES:].strip()
        found.append(
            f"the program: expected status 0, came {'no end in time' if done.status is None else done.status}; it said: {said}"
        )
    if "Traceback" in done.proxy_said:
        found.append(f"the proxy: {done.proxy_said[-SAID_BYTES:]}")
    return found


def table(outcomes: Sequence[Outcome]) -> str:
    head = ("client", "version", "calls", "other requests", "tokens in + out", "cost, USD", "result")
    lines = [head, ("---",) * len(head), *(outcome.cells for outcome in outcomes)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "heliograph-agents"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/agents", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    parser.add_argument("--list", action="store_true", help="print the names and packages")
    parser.add_argument("--keep", action="store_true", help="leave what the runs wrote in a folder, and name it")
    parser.add_argument(
        "--cache",
        type=lambda text: Path(text).resolve(),
        default=default_cache(),
        help="where they are installed (%(default)s)",
    )
    arguments = parser.parse_args()
    if arguments.list:
        for client in CLIENTS:
            print(f"{client.name:24} {client.registry}: {' '.join(client.packages)}")
        return 0
    if unknown := set(arguments.names) - {client.name for client in CLIENTS}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; --list tells the names")
    folder = Path(tempfile.mkdtemp(prefix="heliograph-agents-"))
    try:
        return check_all(
            [client for client in CLIENTS if client.name in (arguments.names or [client.name])], arguments.cache, folder
        )
    finally:
        if arguments.keep:
            print(f"kept: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def check_all(clients: Sequence[Client], cache: Path, folder: Path) -> int:
    outcomes = []
    for client in clients:
        print(f"{client.name} ...", end=" ", file=sys.stderr, flush=True)
        home = folder / client.name
        home.mkdir()
        outcomes.append(checked(client, cache, home))
        print(outcomes[-1].result, file=sys.stderr)
        for problem in outcomes[-1].wrong:
            print(f"  {problem}", file=sys.stderr)
    print(table(outcomes))
    return 1 if any(outcome.wrong for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
