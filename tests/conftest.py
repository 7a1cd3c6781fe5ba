"""What holds for every test: random inputs are the same in every run, and the machine's time zone is UTC."""

import os
import resource
import time
from collections.abc import Iterator

import pytest
from hypothesis import settings

# Days of a report are those of the machine's zone; processes that tests start inherit this one.
os.environ["TZ"] = "UTC"
time.tzset()

# `scripts/fuzz` is the random search; here a failure must repeat, on any machine, at any speed.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")


_MEMORY = resource.getrlimit(resource.RLIMIT_DATA)


@pytest.fixture(autouse=True)
def _memory_of_its_own() -> Iterator[None]:
    """`heliograph sql` bounds the memory of its process, which in some tests, and in fixtures of modules, is this one."""
    resource.setrlimit(resource.RLIMIT_DATA, _MEMORY)
    yield
    resource.setrlimit(resource.RLIMIT_DATA, _MEMORY)
