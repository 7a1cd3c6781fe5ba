"""What holds for every test: random inputs are the same in every run."""

from hypothesis import settings

# `scripts/fuzz` is the random search; here a failure must repeat, on any machine, at any speed.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")
