"""The cases of `scripts/agents`: which clients it installs, how each is run, and what its rows must say."""
