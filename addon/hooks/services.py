"""What the settings open: made whole by `open_services`, or not at all."""

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from mitmproxy.net.server_spec import ServerSpec

from addon.caching.claims import Claims
from addon.caching.sqlite_store import LocalAnswers, SqliteCache
from addon.caching.store import AnswerStore
from addon.callers.lookup import CallerLookup
from addon.config import settings as settings_module
from addon.config.alerts import recipient
from addon.config.settings import ConfigError, Settings
from addon.config.stores import machine_of
from addon.config.upstreams import origin_of
from addon.hooks.api_process import ApiProcess
from addon.hooks.parent import Parent, ParentsApi
from addon.limits.sqlite_store import LocalGate, SqliteLimits
from addon.limits.store import LimitGate
from addon.redaction.key import redactor_of
from addon.routing.router import Router
from addon.sending.fallbacks import FallbackRule, with_environment
from addon.storage.counts import Counts
from addon.storage.folders import Folders, refuse_unsafe
from addon.storage.journal import Journal
from addon.storage.redis_clients import RedisMissing
from addon.storage.redis_link import Link

if TYPE_CHECKING:
    from addon.redaction.redactor import Redactor

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class InUse:
    """The settings, and what is made of them alone. Replaced as one when the settings file changes."""

    settings: Settings
    router: Router
    fallbacks: tuple[FallbackRule, ...]  # of the config, with their keys
    known_addresses: frozenset[tuple[str, int]]  # host and port of every origin that the settings name
    redactor: "Redactor | None"  # of [redact]


@dataclass(slots=True, kw_only=True)
class Services:
    in_use: InUse
    secret: bytes  # of the data folder: keys are kept as hashes made with it
    journal: Journal
    cache: AnswerStore
    claims: Claims  # on answers that this process makes for others
    limits: LimitGate
    api: ApiProcess | ParentsApi
    callers: CallerLookup

    @property
    def settings(self) -> Settings:
        return self.in_use.settings

    @property
    def router(self) -> Router:
        return self.in_use.router

    @property
    def fallbacks(self) -> tuple[FallbackRule, ...]:
        return self.in_use.fallbacks

    @property
    def redactor(self) -> "Redactor | None":
        return self.in_use.redactor

    def opens(self, host: str, port: int) -> bool:
        """Whether a CONNECT to this host, in lower case, is opened. The answer changes with the settings."""
        return self.router.opens(host, port)

    def use(self, fresh: Settings) -> None:
        """Take over settings that were read again. Calls under way keep what they began with. Raises ConfigError."""
        self.in_use = prepare(fresh)

    @property
    def via(self) -> ServerSpec | None:
        """The proxy that this machine used before us, as mitmproxy names it."""
        before = self.settings.upstream_proxy
        return cast(ServerSpec, (before.scheme, (before.host, before.port))) if before else None

    async def close(self) -> None:
        self.journal.close()
        await self.cache.close()
        await self.limits.close()


def prepare(settings: Settings) -> InUse:
    """Raises ConfigError where a variable is missing that the settings name, or the key of the pseudonyms."""
    try:
        fallbacks = with_environment(settings.fallbacks, os.environ)
        redactor = redactor_of(settings.redact, settings.data)
    except (ValueError, OSError) as error:
        raise ConfigError(f"{settings.config}: {error}") from error
    return InUse(
        settings=settings,
        router=Router(settings.upstreams, settings.targets),
        fallbacks=fallbacks,
        known_addresses=_known_addresses(settings, fallbacks),
        redactor=redactor,
    )


def _known_addresses(settings: Settings, rules: tuple[FallbackRule, ...]) -> frozenset[tuple[str, int]]:
    of_rules = {origin_of(rule.fallback.origin) for rule in rules if rule.fallback.origin}
    origins = {*settings.upstreams.values(), *settings.targets, *of_rules, settings.upstream_proxy}
    return frozenset((origin.host, origin.port) for origin in origins if origin)


def open_services(settings: Settings, counts: Counts | None = None, parent: Parent | None = None) -> Services:
    """Everything that may fail at the start does so here. `parent`: of a worker. Raises OSError, ConfigError."""
    refuse_unsafe(settings.data)
    folders = Folders(settings.data)
    folders.make()
    secret, in_use = settings_module.secret(settings.data), prepare(settings)
    try:
        for webhook in settings.webhooks:
            webhook.signing_key(os.environ)
        if settings.otlp:
            settings.otlp.sent_headers(os.environ)
        for alert in settings.alerts:
            for text in alert.to:
                recipient(text, os.environ)
    except ValueError as error:
        raise ConfigError(f"{settings.config}: {error}") from error
    journal = Journal(folders.journal, on_trouble=_warn, run=parent.run if parent else "", counts=counts)
    journal.open()
    cache, limits = open_stores(settings, folders)
    return Services(
        in_use=in_use,
        secret=secret,
        journal=journal,
        cache=cache,
        claims=Claims(cache),
        limits=limits,
        api=parent.api if parent else ApiProcess(settings),
        callers=CallerLookup(),
    )


def open_stores(settings: Settings, folders: Folders) -> tuple[AnswerStore, LimitGate]:
    """Raises ConfigError."""
    own_limits = SqliteLimits(folders.limits)
    if settings.shared is None:
        return LocalAnswers(SqliteCache(folders.cache, settings.cache_bytes, on_trouble=_warn)), LocalGate(own_limits)
    from addon.caching.redis_store import RedisAnswers
    from addon.limits.redis_store import SharedGate

    try:
        link = Link(settings.shared.opened_url(os.environ), settings.shared.timeout_ms / 1000, on_trouble=_warn)
    except (RedisMissing, ValueError) as error:
        raise ConfigError(f"{settings.config}: shared.url: {error}") from error
    prefix, machine = settings.shared.prefix, machine_of(settings.data)
    return RedisAnswers(link, prefix, settings.cache_bytes), SharedGate(link, prefix, machine, own_limits)


def _warn(message: str) -> None:
    logger.warning("heliograph: %s", message)
