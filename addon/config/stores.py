"""The stores of limits and answers that the settings name: the files of the data folder, and a shared Redis."""

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from addon.caching.sqlite_store import SqliteCache
from addon.caching.store import AnswerShelf
from addon.config.settings import ConfigError, Settings
from addon.limits.sqlite_store import SqliteLimits
from addon.limits.store import LimitLedger
from addon.storage.folders import Folders
from addon.storage.redis_clients import RedisMissing


@dataclass(frozen=True, slots=True)
class Stores:
    """All that may hold something of a call beside the lake."""

    ledgers: tuple[LimitLedger, ...] = ()
    shelves: tuple[AnswerShelf, ...] = ()

    def close(self) -> None:
        for ledger in self.ledgers:
            ledger.close()
        for shelf in self.shelves:
            shelf.close()


def open_stores(settings: Settings, environ: Mapping[str, str], *, patience_s: float) -> Stores:
    """Raises ConfigError."""
    return Stores(limit_ledgers(settings, environ, patience_s=patience_s), answer_shelves(settings, environ))


def limit_ledgers(settings: Settings, environ: Mapping[str, str], *, patience_s: float) -> tuple[LimitLedger, ...]:
    """This machine's own, then the shared one if there is one. `patience_s`: for the lock of the file. Raises ConfigError."""
    own = SqliteLimits(Folders(settings.data).limits, patience_s=patience_s)
    if settings.shared is None:
        return (own,)
    from addon.limits.redis_store import RedisLedger

    try:
        url = settings.shared.opened_url(environ)
        return own, RedisLedger(url, settings.shared.prefix, machine_of(settings.data))
    except (RedisMissing, ValueError) as error:
        raise ConfigError(f"{settings.config}: shared.url: {error}") from error


def answer_shelves(settings: Settings, environ: Mapping[str, str]) -> tuple[AnswerShelf, ...]:
    """The stores that answers are in: this machine's file, then the shared one if there is one. Raises ConfigError."""
    own = SqliteCache(Folders(settings.data).cache, settings.cache_bytes)
    if settings.shared is None:
        return (own,)
    from addon.caching.redis_store import RedisShelf

    try:
        url = settings.shared.opened_url(environ)
        return own, RedisShelf(url, settings.shared.prefix, settings.cache_bytes)
    except (RedisMissing, ValueError) as error:
        raise ConfigError(f"{settings.config}: shared.url: {error}") from error


def machine_of(data: Path) -> str:
    """Names this data folder among those of a fleet: all processes of it are one proxy there."""
    return hashlib.sha256(f"{platform.node()}\0{data.resolve()}".encode()).hexdigest()[:16]
