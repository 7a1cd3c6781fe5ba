"""What the addons share while the proxy runs: settings, router, journal, the calls under way, the counters."""

import logging
import os
import time
from dataclasses import dataclass, field
from typing import cast

from mitmproxy.net.server_spec import ServerSpec

from addon.caching.store import CacheStore
from addon.config import controls
from addon.config import settings as settings_module
from addon.config.reload import keys_are_gone
from addon.config.settings import ConfigError, Settings
from addon.hooks.api_process import ApiProcess
from addon.hooks.call import Call
from addon.hooks.flights import Flights
from addon.ids import keyed_hash
from addon.limits.store import LimitStore
from addon.routing.access import may_call
from addon.routing.router import Router
from addon.sending.fallbacks import FallbackRule, with_environment
from addon.storage.folders import Folders, refuse_unsafe
from addon.storage.journal import Journal

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Counts:
    """Since the start. `seen` calls end up `journalled` or `unlogged` (the journal counts those) or are under way."""

    seen: int = 0  # calls of a known operation
    passed: int = 0  # other requests on decrypted hosts, streamed through and not kept


@dataclass(slots=True)
class Proxy:
    calls: dict[str, Call] = field(default_factory=dict)  # under way, by flow id
    admitted: dict[str, str] = field(default_factory=dict)  # client connections whose proxy URL brought a key: its hash
    projects: dict[str, str] = field(default_factory=dict)  # label in the proxy URL, by client connection id
    counts: Counts = field(default_factory=Counts)
    request_ids: list[str] | None = None  # of all calls, for `heliograph run`'s summary; None: not wanted
    flights: Flights = field(default_factory=Flights)  # calls that identical ones may join
    untrusted: set[str] = field(default_factory=set)  # hosts at whose certificate, made by us, a program broke off
    connects: int = 0  # CONNECT requests and calls that arrived at all
    ready: bool = False
    started_at: float = field(default_factory=time.time)  # epoch seconds
    alone: bool = False  # nobody but this machine can reach us
    # Whose address is checked before anything is sent there, and the header that named it; by client connection id.
    named_targets: dict[str, dict[tuple[str, int], str]] = field(default_factory=dict)
    has_own_streams: bool = False  # `upstream.py` could be laid under this mitmproxy

    settings: Settings = field(init=False)
    secret: bytes = field(init=False)
    router: Router = field(init=False)
    fallbacks: tuple[FallbackRule, ...] = field(init=False)  # of the config, with their keys
    journal: Journal = field(init=False)
    cache: CacheStore = field(init=False)
    limits: LimitStore = field(init=False)
    api: ApiProcess = field(init=False)

    def open(self, settings: Settings) -> None:
        """Everything that may fail at the start does so here. Raises OSError, ConfigError."""
        refuse_unsafe(settings.data)
        Folders(settings.data).make()
        self.settings = settings
        self.secret = settings_module.secret(settings.data)
        self.router = Router(settings.upstreams, settings.targets)
        try:
            self.fallbacks = with_environment(settings.fallbacks, os.environ)
        except ValueError as error:
            raise ConfigError(f"{settings.config}: {error}") from error
        self.journal = Journal(
            Folders(settings.data).journal, on_trouble=lambda message: logger.warning("heliograph: %s", message)
        )
        self.journal.open()
        self.limits = LimitStore(Folders(settings.data).limits)
        for webhook in settings.webhooks:
            try:
                webhook.signing_key(os.environ)
            except ValueError as error:
                raise ConfigError(f"{settings.config}: {error}") from error
        self.api = ApiProcess(settings)
        self.cache = CacheStore(
            Folders(settings.data).cache,
            settings.cache_bytes,
            on_trouble=lambda message: logger.warning("heliograph: %s", message),
        )
        self.ready = True

    def use(self, fresh: Settings) -> None:
        """Takes over settings that were read again. Calls under way keep what they began with."""
        fallbacks = with_environment(fresh.fallbacks, os.environ)
        if keys_are_gone(self.settings, fresh):
            self.admitted.clear()
        self.settings, self.fallbacks = fresh, fallbacks
        self.router = Router(fresh.upstreams, fresh.targets)

    def introduce(self, client_id: str, proxy_authorization: str | None) -> None:
        """What the proxy URL says of the caller: a project's name, a key."""
        if label := controls.project_label(proxy_authorization):
            self.projects[client_id] = label
        password = controls.proxy_password(proxy_authorization)
        if password and self.settings.keys and may_call(self.settings.keys, password):
            self.admitted[client_id] = keyed_hash(self.secret, password)

    def is_closed_to(self, client_id: str) -> bool:
        """Whether a key is needed that this connection did not bring."""
        return bool(self.settings.keys) and client_id not in self.admitted

    def forget(self, client_id: str) -> None:
        self.projects.pop(client_id, None)
        self.admitted.pop(client_id, None)

    @property
    def via(self) -> ServerSpec | None:
        """The proxy that this machine used before us, as mitmproxy names it."""
        before = self.settings.upstream_proxy
        return cast(ServerSpec, (before.scheme, (before.host, before.port))) if before else None

    def close(self) -> None:
        self.ready = False
        self.journal.close()
        self.cache.close()
        self.limits.close()
