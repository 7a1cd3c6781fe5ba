"""A fleet of proxies, simulated with measured service times (scripts/measured.py): what is busy, what waits, what is asked of Redis and the store.

./scripts/simulate --proxies 4 --workers 2 --calls 1000 --streams 0.2
./scripts/simulate --beside          the model beside what was measured, at sizes that fit on two cores
./scripts/simulate --paper           a million calls a second over 1,000 proxies, by arithmetic alone
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from scripts.measured import RUNS, Run
from scripts.on_paper import Paper, lines
from scripts.simulation import Fleet, Outcome, simulate

type Row = Sequence[str]

PAPER: Final = ("what", "how", "result")
BESIDE: Final = ("run", "figure", "simulated", "measured")

WORDS: Final = (
    ("calls_s", "calls answered a second", ",.0f"),
    ("worker_share", "CPU of a worker, of a core", ".1%"),
    ("settler_share", "CPU of a settler, of a core", ".1%"),
    ("redis_share", "CPU of Redis, of a core", ".2%"),
    ("decisions_s", "decisions a second", ",.0f"),
    ("redis_wait_ms", "a script waits in Redis' queue, ms", ".3f"),
    ("added_p50_ms", "added to a call, p50 ms", ".2f"),
    ("added_p99_ms", "added to a call, p99 ms", ".2f"),
    ("settled_p99_s", "a row is there after, p99 s", ".3f"),
    ("rounds_min", "shipping rounds (manifests) a minute", ",.1f"),
    ("requests_min", "requests to the store a minute", ",.1f"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usual = Fleet()
    parser.add_argument("--proxies", type=int, default=usual.proxies)
    parser.add_argument("--workers", type=int, default=usual.workers, help="of each proxy")
    parser.add_argument("--calls", type=float, default=usual.calls_s, help="a second, of all proxies together")
    parser.add_argument("--streams", type=float, default=usual.streams, help="their share, from 0 to 1")
    parser.add_argument("--seconds", type=float, default=usual.seconds)
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--beside", action="store_true", help="the model beside measured runs")
    parser.add_argument("--paper", action="store_true", help="the arithmetic of a large fleet")
    options = parser.parse_args(arguments)
    if options.paper:
        print(table(PAPER, lines(Paper())))
    elif options.beside:
        print(table(BESIDE, beside(RUNS)))
    else:
        fleet = Fleet(
            proxies=options.proxies,
            workers=options.workers,
            calls_s=options.calls,
            streams=options.streams,
            seconds=options.seconds,
            seed=options.seed,
        )
        try:
            print(table(("figure", "simulated"), figures(simulate(fleet))))
        except ValueError as error:
            parser.error(str(error))
    return 0


def figures(outcome: Outcome) -> Iterator[Row]:
    return ((words, format(getattr(outcome, name), form)) for name, words, form in WORDS)


def beside(runs: Sequence[Run]) -> Iterator[Row]:
    """A line for each figure that was measured in a run."""
    words = {name: (said, form) for name, said, form in WORDS}
    for run in runs:
        outcome = simulate(Fleet(**run.fleet))
        for name, measured in run.measured.items():
            said, form = words[name]
            yield run.what, said, format(getattr(outcome, name), form), format(measured, form)


def table(head: Row, rows: Iterator[Row]) -> str:
    """Markdown."""
    cells = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


if __name__ == "__main__":
    sys.exit(main())
