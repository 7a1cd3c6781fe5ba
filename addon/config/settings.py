"""Settings: the command line first, then `heliograph.toml`, then the defaults here.

All mistakes are in one ConfigError: one line each, with the file, the key, the value and what is allowed. What the file
may hold is in `addon/config/models.py`, which is imported only where there is a file: pydantic takes 10 MB and 0.1 s.
"""

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from addon.config.alerts import Alert, Smtp
from addon.config.iceberg import Iceberg
from addon.config.keys import Key
from addon.config.mistakes import Problem
from addon.config.otlp import Otlp
from addon.config.places import BUNDLE_NAME, CONFIG_NAME, DEFAULT_LISTEN
from addon.config.retention import Retention
from addon.config.shared import Shared
from addon.config.shipping import Shipping
from addon.config.upstreams import Origin, parse_origin, provider_name, split_origin
from addon.config.webhooks import Webhook
from addon.limits.held_bodies import MOST_HELD_BYTES
from addon.limits.rules import Budget, Limit
from addon.limits.slots import Overload
from addon.metering.overrides import PriceOverride
from addon.redaction.key import redactor_of
from addon.redaction.rules import Rules
from addon.sending.fallbacks import FallbackRule
from addon.sending.timeouts import HEAD_S, Timeouts
from addon.storage.folders import is_odd
from addon.storage.secret_file import secret_in


class ConfigError(Exception):
    """A setting that cannot be used. The message is written for the person who made it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    data: Path
    config: Path
    lake: str | None = None  # URL of the bucket that calls are shipped to; None: they stay here
    shipping: Shipping = field(default_factory=Shipping)
    iceberg: Iceberg | None = None  # the catalog that has the calls as tables
    upstreams: Mapping[str, Origin] = field(default_factory=dict)  # provider name -> where it lives
    targets: frozenset[Origin] = frozenset()  # more targets that a caller's header may name
    page_origins: frozenset[str] = frozenset()  # of web pages and apps that may send requests to us; lower case
    hosts: frozenset[str] = frozenset()  # more names of ours, each with all names below it; lower case
    timeouts: Timeouts = field(default_factory=Timeouts)
    head_s: float = HEAD_S  # for the head of a request, or a TLS handshake, that has begun
    held_bytes: int = MOST_HELD_BYTES  # of request bodies, of all calls under way together
    overload: Overload = field(default_factory=Overload)  # calls under way at once
    max_body_bytes: int = 16 * 2**20  # of each body that is stored; bodies of any size pass
    looks_up_callers: bool = True  # command, folder and git repository of the calling process on this machine
    redact: Rules | None = None  # secrets that become pseudonyms before they are stored; None: none
    cache_bytes: int = 2**30  # of `cache.sqlite`; what was used least recently is removed first
    prices: tuple[PriceOverride, ...] = ()  # the user's own, before any list
    limits: tuple[Limit, ...] = ()  # that no caller can loosen
    budgets: tuple[Budget, ...] = ()
    retention: Retention = field(default_factory=Retention)  # how long calls are kept
    webhooks: tuple[Webhook, ...] = ()  # addresses that are told of finished calls
    alerts: tuple[Alert, ...] = ()
    otlp: Otlp | None = None  # where finished calls are sent as spans
    smtp: Smtp | None = None  # the mail server that alerts go through
    keys: tuple[Key, ...] = ()  # none: every program on this machine may call
    fallbacks: tuple[FallbackRule, ...] = ()  # by model; the variables in their headers are still names
    inject_usage: bool = False  # ask every OpenAI-shaped stream for its usage; remove it for callers that did not ask
    shared: Shared | None = None  # the Redis of a fleet
    spark_master: str | None = None  # that reports with --engine spark are asked of; None: this machine
    limits_fail_closed: bool = False  # refuse calls that cannot be checked, else let them pass unlimited
    is_offline: bool = False  # for replayed calls: nobody is told, nothing is asked on the network
    is_watched: bool = True  # a running proxy reads the file again when it changes
    upstream_proxy: Origin | None = None  # the proxy that this shell used before; our calls go through it
    upstream_proxy_auth: str | None = field(default=None, repr=False)  # user:password of its URL

    @property
    def is_strict(self) -> bool:
        """Keys, limits or budgets are set: what cannot be understood is refused and does not pass unmeasured."""
        return bool(self.keys or self.limits or self.budgets)

    def offline(self) -> "Settings":
        """The same without whatever is told or asked on the network: for replayed calls."""
        return replace(
            self, is_offline=True, webhooks=(), alerts=(), otlp=None, smtp=None, upstream_proxy=None, shared=None
        )


def load(
    data: Path,
    config: Path | None = None,
    upstreams: Sequence[str] = (),
    upstream_timeout_s: float | None = None,
    environ: Mapping[str, str] | None = None,
    text: str | None = None,
) -> Settings:
    """Settings from the config file, the command line's `NAME=URL`s and a proxy that `environ` names.

    With `environ` each `$NAME` in the file must be set in it. `text`: what stands in the file, where it was read already.
    Raises ConfigError with every mistake.
    """
    settings, problems = load_what_can_be_read(data, config, upstreams, upstream_timeout_s, environ, text)
    if problems:
        raise ConfigError("\n".join(problem.text for problem in problems))
    return settings


def load_beside_proxy(data: Path, config: Path | None) -> tuple["Settings", tuple[Problem, ...]]:
    """What the other processes of a running proxy can read. A file that has gone meanwhile counts as one that was not named."""
    return load_what_can_be_read(data, config if config and config.exists() else None)


def load_what_can_be_read(
    data: Path,
    config: Path | None = None,
    upstreams: Sequence[str] = (),
    upstream_timeout_s: float | None = None,
    environ: Mapping[str, str] | None = None,
    text: str | None = None,
) -> tuple[Settings, tuple[Problem, ...]]:
    """Like `load`, but a section with a mistake counts as left out, and the mistakes are returned."""
    path = config or data / CONFIG_NAME
    fields: dict[str, Any] = {}
    problems: list[Problem] = []
    try:
        found_text = settings_text(path, must_exist=config is not None) if text is None else text
        if table := _table(path, found_text):
            from addon.config.read import read_table

            fields, found = read_table(path, table, environ)
            problems.extend(found)
    except ConfigError as error:
        problems.append(Problem("", str(error)))
    named = dict(fields.get("upstreams", {}))
    for item in upstreams:
        try:
            named |= [_upstream(item)]
        except ConfigError as error:
            problems.append(Problem("--upstream", str(error)))
    timeouts = fields.get("timeouts", Timeouts())
    if upstream_timeout_s is not None:
        timeouts = timeouts._replace(first_byte_s=upstream_timeout_s)
    proxy = proxy_auth = None
    try:
        proxy, proxy_auth = _proxy_before_us(environ or {})
    except ConfigError as error:
        problems.append(Problem("HTTPS_PROXY", str(error)))
    fields |= {"upstreams": named, "timeouts": timeouts}
    settings = Settings(data=data, config=path, upstream_proxy=proxy, upstream_proxy_auth=proxy_auth, **fields)
    try:
        settings = _with_redacted_rules(settings)
    except (OSError, ValueError) as error:
        problems.append(Problem("redact", f"{path}: redact: {error}"))
    return settings, tuple(problems)


def _with_redacted_rules(settings: Settings) -> Settings:
    """Limits and budgets of one user match that user's pseudonym. Raises OSError, ValueError: there is no key for it."""
    from addon.limits.redacted import names_somebody, redacted_rule

    rules: list[Limit | Budget] = [*settings.limits, *settings.budgets]
    if settings.redact is None or not any(names_somebody(rule) for rule in rules):
        return settings
    redactor = redactor_of(settings.redact, settings.data)
    assert redactor
    return replace(
        settings,
        limits=tuple(redacted_rule(redactor, limit) for limit in settings.limits),
        budgets=tuple(redacted_rule(redactor, budget) for budget in settings.budgets),
    )


def secret(data: Path) -> bytes:
    """The key of all keyed hashes, `DATA/secret`. With it a guessed key can be tested, so it stays private."""
    return secret_in(data / "secret")


def parse_listen(value: str) -> tuple[str, int]:
    """`HOST:PORT` or `PORT`; IPv6 hosts in brackets. Raises ConfigError."""
    host, _, port = value.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"--listen {value!r}: write HOST:PORT with a port from 0 to 65535, e.g. {DEFAULT_LISTEN}")
    return host, int(port)


def cannot_listen(listen: tuple[str, int], reason: BaseException | str) -> ConfigError:
    """In the system's own words: mitmproxy's around them advise an option of its own, which `heliograph` does not have."""
    if isinstance(reason, OSError) and reason.errno:  # below 0: of the resolver
        reason = os.strerror(reason.errno).lower() if reason.errno > 0 else "the name has no address"
    return ConfigError(f"cannot listen on {listen[0]}:{listen[1]}: {reason}; choose another with --listen")


def _proxy_before_us(environ: Mapping[str, str]) -> tuple[Origin | None, str | None]:
    """The proxy that this shell used before us, and its user and password. Our calls go through it, unless `heliograph env`
    set it: then it is ourselves."""
    url = environ.get("HTTPS_PROXY") or environ.get("https_proxy") or ""
    if environ.get("NODE_EXTRA_CA_CERTS", "").endswith(f"/{BUNDLE_NAME}"):
        return None, None
    try:
        parts = urlsplit(url if "://" in url or not url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return None, None
        auth = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
        return split_origin(parts), auth
    except ValueError as error:
        raise ConfigError(f"HTTPS_PROXY: not a URL ({error}); write e.g. http://proxy.example.org:3128") from error


def settings_text(path: Path, *, must_exist: bool) -> str:
    """What stands in the settings file; "" where there is none. Raises ConfigError."""
    if not must_exist and is_odd(path):  # with --config it may be a pipe: <(...)
        raise ConfigError(f"{path}: not a regular file; move it away")
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if must_exist:
            raise ConfigError(f"{path}: no such file") from None
        return ""
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error


def _table(path: Path, text: str) -> dict[str, Any]:
    try:
        # Decimals stay as they are written: 0.1 is not the nearest binary fraction.
        return tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error


def _upstream(item: str) -> tuple[str, Origin]:
    """`NAME=URL` of the command line. Raises ConfigError."""
    name, equals, url = item.partition("=")
    if not equals:
        raise ConfigError(f"--upstream {item!r}: write NAME=URL, e.g. openai=http://127.0.0.1:9001")
    try:
        return provider_name(name), parse_origin(url)
    except ValueError as error:
        raise ConfigError(f"--upstream {name}: {error}") from error
