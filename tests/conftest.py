"""What holds for every test: random inputs are the same in every run, and the machine's time zone is UTC."""

import os
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings

from tests.objects.google import Google, environment, google

# Days of a report are those of the machine's zone; processes that tests start inherit this one.
os.environ["TZ"] = "UTC"
time.tzset()

# A shell ignores Ctrl-C for what it starts in the background, and so would all processes of the tests: some are ended by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# `scripts/fuzz` is the random search; here a failure must repeat, on any machine, at any speed.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")


# Folders whose files take minutes: they come first, so that at the end no worker is left alone with one of them.
SLOW_FOLDERS: Final = {"proxy", "docs", "dashboard", "security", "settling", "clients", "recordings"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.parent.name not in SLOW_FOLDERS)


_MEMORY = resource.getrlimit(resource.RLIMIT_DATA)


@pytest.fixture(autouse=True)
def _memory_of_its_own() -> Iterator[None]:
    """`heliograph sql` bounds the memory of its process, which in some tests, and in fixtures of modules, is this one."""
    resource.setrlimit(resource.RLIMIT_DATA, _MEMORY)
    yield
    resource.setrlimit(resource.RLIMIT_DATA, _MEMORY)


_HANDLERS: Final = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}


@pytest.fixture(autouse=True)
def _signals_of_its_own() -> Iterator[None]:
    """`heliograph run` ignores Ctrl-C while its program runs, in some tests in this process: programs that later tests start
    would inherit that."""
    _put_back_signals()
    yield
    _put_back_signals()


def _put_back_signals() -> None:
    for number, handler in _HANDLERS.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)


@pytest.fixture
def google_store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Google]:
    """Google's storage, as this process's environment names it."""
    with google() as served:
        for name, value in (environment(served) | {"XDG_CACHE_HOME": str(tmp_path / "cache")}).items():
            monkeypatch.setenv(name, value)
        yield served
