"""Settings that a running proxy takes over when heliograph.toml changes. The decision is pure; the hook looks and acts."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from addon.config.settings import ConfigError, Settings, load

LOOK_EVERY_S: Final = 1.0
State = tuple[int, int, int] | None  # of a file: time of change in ns, size, inode; None: there is no file


def state_of(path: Path) -> State:
    """What changes when the file does. A file that cannot be looked at counts as missing."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def read_again(current: Settings, environ: Mapping[str, str], *, alone: bool) -> Settings:
    """The settings from now on. Raises ConfigError where the file has a mistake: then nothing changes.

    `alone`: no other machine can reach the proxy.
    """
    fresh = load(current.data, current.config if current.config.exists() else None, environ=environ)
    return taken_over(current, fresh, alone=alone)


def taken_over(current: Settings, fresh: Settings, *, alone: bool) -> Settings:
    """`current` with all of `fresh` that a running proxy can use at once. The rest needs a restart: upstreams, timeouts,
    the size of the cache, webhooks. Raises ConfigError where the last key is gone and other machines reach the proxy."""
    if current.keys and not fresh.keys and not alone:
        raise ConfigError(
            f"{fresh.config}: no keys are left, and other machines can reach this proxy; the old keys stay valid until it is restarted"
        )
    return replace(
        current,
        keys=fresh.keys,
        prices=fresh.prices,
        limits=fresh.limits,
        budgets=fresh.budgets,
        fallbacks=fresh.fallbacks,
        targets=fresh.targets,
        page_origins=fresh.page_origins,
        hosts=fresh.hosts,
        inject_usage=fresh.inject_usage,
        max_body_bytes=fresh.max_body_bytes,
        looks_up_callers=fresh.looks_up_callers,
        limits_fail_closed=fresh.limits_fail_closed,
    )


class FileWatch:
    """Tells each change of one file once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen = state_of(path)

    def has_changed(self) -> bool:
        """Since the last look. One stat call."""
        before, self._seen = self._seen, state_of(self.path)
        return before != self._seen
