"""What a person can set: command line first, then `heliograph.toml`, then the defaults here.

Every mistake is one ConfigError that names the file, the key, the value and what is allowed.
"""

import os
import secrets
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from addon.config.webhooks import Webhook, parse_webhooks
from addon.limits.config import parse_budgets, parse_limits
from addon.limits.rules import Budget, Limit
from addon.metering.overrides import PriceOverride, parse_overrides
from addon.providers import registry
from addon.routing.access import Key, parse_keys
from addon.sending.fallbacks import FallbackRule, parse_fallback_rules

APP_NAME: Final = "heliograph"
CONFIG_NAME: Final = "heliograph.toml"
BUNDLE_NAME: Final = "heliograph-ca-bundle.pem"
# The tables of the config file and their keys; those with names of the user's own are read elsewhere.
_TABLES: Final = {
    "timeouts": "connect_s first_byte_s idle_s total_s",
    "targets": "allow",
    "capture": "max_body_bytes",
    "cache": "max_bytes",
    "limits_store": "fail_closed",
    "usage": "inject",
}
DEFAULT_LISTEN: Final = "127.0.0.1:8787"


class ConfigError(Exception):
    """A setting that cannot be used. The message is written for the person who made it."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where requests go: scheme, host and port of an http(s) URL."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """host[:port] as a Host header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _default_port(self.scheme) else f"{host}:{self.port}"


class Timeouts(NamedTuple):
    """Seconds. The official SDKs give up at 600 s themselves; ours must not be what ends a call they still wait for.

    A tuple, since it is in the metadata of flows: `mitmdump -w` and mitmweb's download can write nothing else of ours.
    """

    connect_s: float = 30.0
    first_byte_s: float = 600.0
    idle_s: float = 300.0
    total_s: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    data: Path
    config: Path
    upstreams: Mapping[str, Origin] = field(default_factory=dict)  # provider name -> where it lives
    targets: frozenset[Origin] = frozenset()  # more targets that a caller's header may name
    timeouts: Timeouts = field(default_factory=Timeouts)
    max_body_bytes: int = 16 * 2**20  # of each body, kept in the journal; what passes through has no limit
    cache_bytes: int = 2**30  # of `cache.sqlite`; what was used least recently goes first
    prices: tuple[PriceOverride, ...] = ()  # the user's own, before any list
    limits: tuple[Limit, ...] = ()  # that no caller can loosen
    budgets: tuple[Budget, ...] = ()
    webhooks: tuple[Webhook, ...] = ()  # who is told of finished calls
    keys: tuple[Key, ...] = ()  # none: everybody on this machine
    fallbacks: tuple[FallbackRule, ...] = ()  # by model; variables in their headers are not put in yet
    inject_usage: bool = False  # ask every OpenAI-shaped stream for its usage, and hide it from who did not ask
    limits_fail_closed: bool = False  # refuse what cannot be checked, else let it go unlimited
    upstream_proxy: Origin | None = None  # a proxy that was already set for this shell becomes ours
    upstream_proxy_auth: str | None = field(default=None, repr=False)  # user:password of its URL


def data_folder(option: str | Path | None = None) -> Path:
    """Where everything is kept: `option`, else $HELIOGRAPH_DATA, else the platform's folder for user data."""
    if option:
        return Path(option).expanduser().absolute()
    if named := os.environ.get("HELIOGRAPH_DATA"):
        return Path(named).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / APP_NAME
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / APP_NAME
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / APP_NAME


def load(
    data: Path,
    config: Path | None = None,
    upstreams: Sequence[str] = (),
    upstream_timeout_s: float | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Settings from the config file, the command line's `NAME=URL`s and a proxy that `environ` names. Raises ConfigError."""
    path = config or data / CONFIG_NAME
    table = _Table(path, "", _read(path, must_exist=config is not None))
    origins: dict[str, Origin] = {}
    for name, url in table.table("upstreams").items():
        origins[_provider(table.where(f"upstreams.{name}"), name)] = _origin(table.where(f"upstreams.{name}"), url)
    for item in upstreams:
        name, equals, url = item.partition("=")
        if not equals:
            raise ConfigError(f"--upstream {item!r}: write NAME=URL, e.g. openai=http://127.0.0.1:9001")
        origins[_provider(f"--upstream {name}", name)] = _origin(f"--upstream {name}", url)
    before_us, before_us_auth = _proxy_before_us(environ or {})
    timeouts = table.sub("timeouts")
    defaults = Timeouts(first_byte_s=upstream_timeout_s) if upstream_timeout_s is not None else Timeouts()
    settings = Settings(
        data=data,
        config=path,
        upstreams=origins,
        targets=frozenset(_origin(table.where("targets.allow"), url) for url in table.sub("targets").strings("allow")),
        timeouts=Timeouts(
            connect_s=timeouts.seconds("connect_s", defaults.connect_s),
            first_byte_s=(
                defaults.first_byte_s
                if upstream_timeout_s is not None
                else timeouts.seconds("first_byte_s", defaults.first_byte_s)
            ),
            idle_s=timeouts.seconds("idle_s", defaults.idle_s),
            total_s=timeouts.seconds("total_s", defaults.total_s),
        ),
        max_body_bytes=table.sub("capture").count("max_body_bytes", 16 * 2**20),
        cache_bytes=table.sub("cache").count("max_bytes", 2**30),
        prices=_parsed(table, "prices", parse_overrides),
        limits=_parsed(table, "limits", parse_limits),
        budgets=_parsed(table, "budgets", parse_budgets),
        webhooks=_parsed(table, "webhooks", parse_webhooks),
        keys=_keys(table),
        fallbacks=_parsed(table, "fallbacks", parse_fallback_rules),
        inject_usage=table.sub("usage").flag("inject", False),
        limits_fail_closed=table.sub("limits_store").flag("fail_closed", False),
        upstream_proxy=before_us,
        upstream_proxy_auth=before_us_auth,
    )
    for name, keys in _TABLES.items():
        table.sub(name).refuse_unknown(set(keys.split()))
    table.refuse_unknown({*_TABLES, "upstreams", "prices", "limits", "budgets", "fallbacks", "keys", "webhooks"})
    return settings


def secret(data: Path) -> bytes:
    """The key of all keyed hashes, `DATA/secret`: made once, 0600. Whoever has it can test a guess, so it stays private."""
    path = data / "secret"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = data / f".secret-{os.getpid()}"
        descriptor = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(32))
        try:
            os.link(fresh, path)  # fails if another process was first: then its secret is ours
        except FileExistsError:
            return path.read_bytes()
        finally:
            fresh.unlink()
        return path.read_bytes()


def parse_listen(value: str) -> tuple[str, int]:
    """`HOST:PORT` or `PORT`; IPv6 hosts in brackets. Raises ConfigError."""
    host, _, port = value.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"--listen {value!r}: write HOST:PORT with a port from 0 to 65535, e.g. {DEFAULT_LISTEN}")
    return host, int(port)


def _parsed[T](table: "_Table", key: str, parse: Callable[[Sequence[Mapping[str, Any]]], T]) -> T:
    """Sections [[key]], read by whoever knows what they mean. Raises ConfigError."""
    try:
        return parse(table.tables(key))
    except ValueError as error:
        raise ConfigError(f"{table.path}: {error}") from error


def _keys(table: "_Table") -> tuple[Key, ...]:
    try:
        return parse_keys(table.table("keys"))
    except ValueError as error:
        raise ConfigError(f"{table.path}: {error}") from error


def _proxy_before_us(environ: Mapping[str, str]) -> tuple[Origin | None, str | None]:
    """The proxy that this shell used before us, and the user and password for it: it becomes our way out. Not one that
    `heliograph env` has put there."""
    url = environ.get("HTTPS_PROXY") or environ.get("https_proxy") or ""
    if environ.get("NODE_EXTRA_CA_CERTS", "").endswith(f"/{BUNDLE_NAME}"):
        return None, None
    try:
        parts = urlsplit(url if "://" in url or not url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return None, None
        auth = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
        return _split_origin(parts), auth
    except ValueError as error:
        raise ConfigError(f"HTTPS_PROXY: not a URL ({error}); write e.g. http://proxy.example.org:3128") from error


@dataclass(frozen=True, slots=True)
class _Table:
    """One table of the config file, for messages that name file, key, value and what is allowed."""

    path: Path
    name: str
    values: Mapping[str, Any]

    def where(self, key: str) -> str:
        return f"{self.path}: {f'{self.name}.' if self.name else ''}{key}"

    def sub(self, key: str) -> "_Table":
        return _Table(self.path, key, self.table(key))

    def table(self, key: str) -> Mapping[str, Any]:
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise ConfigError(f"{self.where(key)}: {value!r} is not a table; write a section [{key}]")
        return value

    def tables(self, key: str) -> list[Mapping[str, Any]]:
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise ConfigError(f"{self.where(key)}: {value!r} is not a list of tables; write sections [[{key}]]")
        return value

    def strings(self, key: str) -> list[str]:
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ConfigError(
                f'{self.where(key)}: {value!r} is not a list of texts; write e.g. ["https://example.org"]'
            )
        return value

    def seconds(self, key: str, default: float) -> float:
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise ConfigError(f"{self.where(key)}: {value!r} is not a time; write seconds above 0, e.g. {default:g}")
        return float(value)

    def count(self, key: str, default: int) -> int:
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ConfigError(
                f"{self.where(key)}: {value!r} is not a count; write a whole number from 0, e.g. {default}"
            )
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self.values.get(key, default)
        if not isinstance(value, bool):
            raise ConfigError(f"{self.where(key)}: {value!r} is neither true nor false")
        return value

    def refuse_unknown(self, allowed: set[str]) -> None:
        for key in self.values:
            if key not in allowed:
                raise ConfigError(f"{self.where(key)}: unknown; allowed are {', '.join(sorted(allowed))}")


def _read(path: Path, must_exist: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if must_exist:
            raise ConfigError(f"{path}: no such file") from None
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error


def _provider(where: str, name: str) -> str:
    """The provider's own name, of what may be another name of it."""
    if provider := registry.BY_NAME.get(name):
        return provider.name
    raise ConfigError(f"{where}: no provider of this name; allowed are {', '.join(sorted(registry.BY_NAME))}")


def _origin(where: str, url: object) -> Origin:
    parts = urlsplit(url) if isinstance(url, str) else SplitResult("", "", "", "", "")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"{where}: {url!r} is not an http(s) URL; write e.g. http://127.0.0.1:8000")
    if (rest := urlunsplit(("", "", parts.path, parts.query, parts.fragment))) not in ("", "/"):
        raise ConfigError(f"{where}: {url!r} has a path; it replaces scheme, host and port only, so leave {rest!r} out")
    try:
        return _split_origin(parts)
    except ValueError as error:
        raise ConfigError(f"{where}: {url!r}: {error}") from error


def _split_origin(parts: SplitResult) -> Origin:
    return Origin(parts.scheme, (parts.hostname or "").lower(), parts.port or _default_port(parts.scheme))


def _default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def origin_of(url: str) -> Origin:
    """The origin of a URL that is known to be good."""
    return _split_origin(urlsplit(url))
