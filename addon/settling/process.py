"""The settler process: turns what the journal holds into rows. One per data folder does it, beside the proxies.

    python -m addon.settling.process --data DIR --run RUN [--config FILE]

Its standard input is a lifeline to the proxy that started it: end of file means that the proxy is gone. It then settles
what the proxy left, and goes. With several proxies on one folder the holder of `settle.lock` settles for all; the
others wait for the lock. `docs/reliability.md` tells why no call is lost or doubled, wherever a process is killed.
"""

import contextlib
import functools
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from addon.settling.no_pandas import import_no_pandas
from addon.settling.watchdog import Watchdog
from addon.storage.folders import Folders, entries, make_folder, parse_segment, refuse_unsafe, tried_lock

if TYPE_CHECKING:
    from addon.config.settings import Settings
    from addon.redaction.redactor import Redactor
    from addon.settling.settler import Settler

POLL_S: Final = 0.1  # rows must be there a second after the call
IDLE_POLL_S: Final = 0.25
IDLE_AFTER_S: Final = 5.0
CHARGE_PATIENCE_S: Final = 1.0  # for the lock of the limits; no call waits for the settler
GIVE_UP_S: Final = 30.0  # the proxy is gone and the disk still refuses: the next start settles


@contextlib.contextmanager
def _locked(folders: Folders) -> Iterator[bool]:
    """Tries the lock of the data folder, without waiting; yields whether we have it."""
    refuse_unsafe(folders.data)
    make_folder(folders.data)
    with tried_lock(folders.lock) as ours:
        yield ours


def _new_settler(
    folders: Folders, config: Path | None, *, goes_on: bool, watchdog: Watchdog | None = None
) -> "Settler":
    """Imports what prices and estimates need: seconds and 100 MB that only the settler at work spends.

    With a mistake in prices or budgets it says so and `goes_on` without them, or raises ConfigError. A proxy refuses to
    start with one, so beside a proxy the file was broken while it ran. With one in [redact] it raises ConfigError always: what
    may be a secret waits in the journal.
    """
    from addon.config import settings
    from addon.config.mistakes import problems_of
    from addon.config.stores import limit_ledgers
    from addon.metering import fetched_list
    from addon.metering.own_prices import own_prices
    from addon.metering.price import PriceList
    from addon.settling.charging import Charger, Chargers
    from addon.settling.messages import say
    from addon.settling.rates import rate_table
    from addon.settling.redacted import unreadable_rules
    from addon.settling.row_worker import RowMaker
    from addon.settling.rows import bare_rows
    from addon.settling.settler import Settler

    if problem := fetched_list.use(folders.data):
        say(problem)
    loaded, problems = settings.load_beside_proxy(folders.data, config)
    for problem in own_prices().problems:
        say(problem)
    if told := unreadable_rules(problems, folders.data):
        raise settings.ConfigError(f"{told}\nnothing is settled until it is corrected, so that no secret is stored")
    if told := problems_of(problems, ("prices", "budgets")):  # the rest of the file does not concern rows
        if not goes_on:
            raise settings.ConfigError(told)
        say(f"{told}\nrows are made without what is wrong there, until it is corrected")
    prices = PriceList(loaded.prices)
    redactor, rates = _redactor(loaded), rate_table(loaded.prices, datetime.now(UTC))
    charger = Chargers(
        Charger(folders.data, ledger, loaded.budgets, say, rates, redactor)
        for ledger in limit_ledgers(loaded, os.environ, patience_s=CHARGE_PATIENCE_S)
    )
    rows = RowMaker(prices, folders.data, config, watchdog=watchdog, redactor=redactor)
    return Settler(folders, rows, bare_rows, charger=charger, redactor=redactor)


def _redactor(loaded: "Settings") -> "Redactor | None":
    """Raises ConfigError where the key of the pseudonyms cannot be had."""
    from addon.config.settings import ConfigError
    from addon.redaction.key import redactor_of

    try:
        return redactor_of(loaded.redact, loaded.data)
    except (OSError, ValueError) as error:
        raise ConfigError(f"[redact]: {error}") from error


def _use_new_settings(settler: "Settler", folders: Folders, config: Path | None, watchdog: Watchdog) -> None:
    """Prices and budgets of the changed settings, and a price list that was fetched, for rows from now on; with a mistake in
    the settings the old ones stay."""
    from addon.config import settings
    from addon.config.mistakes import problems_of
    from addon.metering import fetched_list
    from addon.metering.price import PriceList
    from addon.settling.messages import say
    from addon.settling.rates import rate_table
    from addon.settling.row_worker import RowMaker

    if problem := fetched_list.use(folders.data):
        say(problem)
    loaded, problems = settings.load_beside_proxy(folders.data, config)
    if not problems_of(problems, ("prices", "budgets", "redact")):  # else the proxy has reported it
        # The worker of the old one ends when its pipes are closed, with the last reference to it.
        redactor = _redactor(loaded)
        rows = RowMaker(PriceList(loaded.prices), folders.data, config, watchdog=watchdog, redactor=redactor)
        settler.use(rows, loaded.budgets, rate_table(loaded.prices, datetime.now(UTC)), redactor)


def settle_leftovers(data: Path, config: Path | None = None, *, cleans: bool = False) -> int:
    """Settles what dead runs left, if no settler is at work. Returns the number of calls that got their rows.

    `cleans`: also removes the lines of calls that were settled, where a settler was killed before it did.
    Raises ConfigError where the prices of the config cannot be read.
    """
    folders = Folders(data)
    if not cleans and not unsettled_segments(folders):
        return 0
    with _locked(folders) as ours:
        if not ours:
            return 0
        settler = _new_settler(folders, config, goes_on=False)
        try:
            settler.step()
            while settler.unsettled() and settler.troubled_since is None:
                settler.step()
            settler.clean_up()
        finally:
            settler.close()
        return settler.calls_settled


def unsettled_segments(folders: Folders, run: str = "") -> set[str]:
    """Names of the segments (of one run) that have no note yet."""
    names = {
        entry.name
        for entry in entries(folders.journal)
        if entry.name.startswith(run) and entry.is_file(follow_symlinks=False)
    }
    stems = {name.removesuffix(".jsonl") for name in names if name.endswith(".jsonl")}
    return {stem for stem in stems if parse_segment(stem) and f"{stem}.done" not in names}


class _Lifeline:
    """Standard input, held open by the proxy for as long as it lives."""

    def __init__(self) -> None:
        self.gone = False

    def wait(self, seconds: float) -> None:
        """Sleeps, or less if the proxy goes meanwhile."""
        if self.gone:
            time.sleep(seconds)
        elif select.select([0], [], [], seconds)[0] and not os.read(0, 4096):
            self.gone = True


def main() -> int:
    import argparse  # here, as commands import this module for what is above

    parser = argparse.ArgumentParser(prog="addon.settling.process", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument(
        "--run",
        required=True,
        help="the run of the proxy at the other end of standard input, or how the names of its workers' runs begin",
    )
    parser.add_argument("--config", type=Path)
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # the lifeline decides, so that a proxy's last calls are settled
        signal.signal(number, signal.SIG_IGN)
    os.nice(10)  # calls have priority; what waits is safe in the journal
    import_no_pandas()
    folders, lifeline = Folders(options.data), _Lifeline()
    try:
        while True:
            with _locked(folders) as ours:
                if ours:
                    return _work(folders, options.run, options.config, lifeline)
            if lifeline.gone and not unsettled_segments(folders, options.run):
                return 0
            lifeline.wait(IDLE_POLL_S)
    except OSError as error:  # of the lock and the folders: the rows' own trouble is the settler's to tell
        print(f"heliograph: the settler cannot work in {folders.data}: {error}", file=sys.stderr)
        return 1


def _settler_of_good_settings(
    folders: Folders, config: Path | None, lifeline: _Lifeline, watchdog: Watchdog
) -> "Settler | None":
    """Waits for settings that tell what is to be redacted; None where the proxy is gone before."""
    from addon.config.settings import ConfigError
    from addon.settling.messages import Messages

    messages = Messages(time.monotonic)
    while not lifeline.gone:
        try:
            return _new_settler(folders, config, goes_on=True, watchdog=watchdog)
        except ConfigError as error:
            messages(str(error))
            lifeline.wait(IDLE_AFTER_S)
    return None


def _work(folders: Folders, run: str, config: Path | None, lifeline: _Lifeline) -> int:
    """Settles until the proxy is gone and nothing is left that can be settled. Returns the exit status."""
    from addon.config.places import CONFIG_NAME
    from addon.config.reload import FileWatch
    from addon.settling.heartbeats import Heartbeats
    from addon.settling.iceberg_thread import IcebergThread
    from addon.settling.merge import Merger
    from addon.settling.messages import say
    from addon.settling.retention import apply_settings
    from addon.settling.shipping_thread import ShippingThread

    watches = (FileWatch(config or folders.data / CONFIG_NAME), FileWatch(folders.prices))
    watchdog = Watchdog()
    watchdog.start()
    settler = _settler_of_good_settings(folders, config, lifeline, watchdog)
    if settler is None:
        return 1
    settler.recount_budgets()
    merger = Merger(folders, functools.partial(apply_settings, folders, config, say))
    shipping = ShippingThread(folders, config, say)
    heartbeats = Heartbeats(folders, config, say)
    iceberg = IcebergThread(folders, config, say)
    busy_at = time.monotonic()
    try:
        while True:
            if any([watch.has_changed() for watch in watches]):
                _use_new_settings(settler, folders, config, watchdog)
            if settler.step():
                busy_at = time.monotonic()
            now = time.monotonic()
            if lifeline.gone and settler.troubled_since is None and not settler.unsettled(run):
                settler.clean_up()
                shipping.finish()
                heartbeats.finish()
                iceberg.finish()
                return 0
            if lifeline.gone and settler.troubled_since is not None and now - settler.troubled_since > GIVE_UP_S:
                say("gives up for now; the next start settles the journal")
                return 1
            if not lifeline.gone:
                merger.start_if_due()
                shipping.start_if_due()
                heartbeats.start_if_due()
                iceberg.start_if_due()
            if not settler.backlog:
                lifeline.wait(POLL_S if now - busy_at < IDLE_AFTER_S else IDLE_POLL_S)
    finally:
        settler.close()
        merger.stop()
        watchdog.stop()


if __name__ == "__main__":
    sys.exit(main())
