"""Clients of the Redis that `[shared]` names: one server, a cluster, or what sentinels call the master.

Imports redis-py, the extra `heliograph[redis]`, and only where there is such a section. Its own retries are off: a call has
some milliseconds, and a decision that is sent twice would count twice. RESP2 spares a connection two questions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, parse_qs, urlsplit, urlunsplit

if TYPE_CHECKING:
    import redis
    import redis.asyncio as redis_async
    import redis.asyncio.cluster
    import redis.cluster

    type AsyncClient = redis_async.Redis | redis_async.RedisCluster
    type SyncClient = redis.Redis | redis.RedisCluster

INSTALL: Final = "[shared] needs redis-py; install it with: pip install 'heliograph[redis]'"
# Of one proxy's process to each server: Redis has 10,000 connections by default, and one carries thousands of decisions
# a second.
CONNECTIONS: Final = 8
CONNECT_S: Final = 2.0  # no call waits for this: connections are made beside the calls
OLDEST: Final = (6, 2)  # ZADD GT, and scripts that read the time and write


class RedisMissing(Exception):
    """redis-py is not installed. The message says how to install it."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a URL of `[shared]` names."""

    is_cluster: bool
    url: str  # as redis-py reads it; with sentinels its host counts for nothing
    sentinels: tuple[tuple[str, int], ...] = ()
    master: str = ""
    shown: str = ""  # without user and password


def place_of(url: str) -> Place:
    """`url` is one that `config.shared.checked_url` has passed."""
    parts = urlsplit(url)
    scheme, _, form = parts.scheme.partition("+")
    shown = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    if form != "sentinel":
        return Place(form == "cluster", urlunsplit(parts._replace(scheme=scheme)), shown=shown)
    user, at, hosts = parts.netloc.rpartition("@")
    master, _, database = parts.path.strip("/").partition("/")
    plain = urlunsplit((scheme, f"{user}{at}localhost", f"/{database or 0}", parts.query, ""))
    return Place(False, plain, tuple(_address(host) for host in hosts.split(",")), master, shown)


def open_async(url: str) -> "AsyncClient":
    """For the event loop. Connects when it is used. Raises RedisMissing, ValueError."""
    _require()
    import redis.asyncio as redis_async
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    place = place_of(url)
    options: dict[str, Any] = {**_OPTIONS, "retry": Retry(NoBackoff(), 0), "socket_timeout": CONNECT_S}
    if place.is_cluster:
        return redis_async.RedisCluster.from_url(place.url, **options, max_connections=CONNECTIONS)
    if place.sentinels:
        from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool

        sentinel = Sentinel(list(place.sentinels), sentinel_kwargs=_sentinel_options(url))
        master: redis_async.Redis = sentinel.master_for(
            place.master,
            connection_pool_class=SentinelConnectionPool,
            max_connections=CONNECTIONS,
            **{**_without_host(redis_async.connection.parse_url(place.url)), **options},
        )
        return master
    pool = redis_async.BlockingConnectionPool.from_url(
        place.url, **options, max_connections=CONNECTIONS, timeout=CONNECT_S
    )
    return redis_async.Redis(connection_pool=pool)


def open_sync(url: str, timeout_s: float) -> "SyncClient":
    """For the settler and commands. Raises RedisMissing, ValueError."""
    _require()
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    place = place_of(url)
    options: dict[str, Any] = {**_OPTIONS, "retry": Retry(NoBackoff(), 0), "socket_timeout": timeout_s}
    if place.is_cluster:
        return redis.RedisCluster.from_url(place.url, **options)
    if place.sentinels:
        from redis.sentinel import Sentinel

        sentinel = Sentinel(list(place.sentinels), sentinel_kwargs=_sentinel_options(url))
        asked = _without_host(redis.connection.parse_url(place.url))
        master: redis.Redis = sentinel.master_for(place.master, **{**asked, **options})
        return master
    return redis.Redis.from_url(place.url, **options)


_OPTIONS: Final[dict[str, Any]] = {
    "protocol": 2,
    "socket_connect_timeout": CONNECT_S,
    "socket_keepalive": True,
    "driver_info": None,
}


def why(error: Exception, place: Place, timeout_s: float) -> str:
    """What a person must know of an error of redis-py. Names no password."""
    import redis.exceptions as errors

    at, said = f"Redis at {place.shown}", str(error)
    match error:
        case errors.AuthenticationError() | errors.AuthenticationWrongNumberOfArgsError():
            return f"{at} refuses the user or password in [shared] url"
        case errors.NoPermissionError():
            return f"{at}: the user of [shared] url may not do this: {said}"
        case errors.OutOfMemoryError():
            return f"{at} is full: raise its maxmemory, or lower [cache] max_bytes"
        case errors.ReadOnlyError():
            return f"{at} is a read-only replica; [shared] url must name the primary"
        case errors.BusyLoadingError():
            return f"{at} is still loading its data"
        case errors.ResponseError() if said.startswith("NOAUTH"):
            return f"{at} wants a user or password; write them into [shared] url"
        case errors.TimeoutError() | TimeoutError():
            return f"{at} did not answer within {timeout_s * 1000:.0f} ms"
        case errors.ConnectionError() | OSError():
            return f"{at} cannot be reached: {said}"
    return f"{at}: {said}"


def too_old(version: str) -> str | None:
    """What is wrong with a server of this version; None: it will do."""
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    wanted = ".".join(map(str, OLDEST))
    return f"it is version {version}; Redis {wanted} or Valkey is needed" if numbers < OLDEST else None


def servers_of(info: dict[str, Any]) -> list[dict[str, Any]]:
    """`info` is the answer to INFO: that of one server, or of a cluster by node."""
    return [info] if "redis_version" in info else [each for each in info.values() if isinstance(each, dict)]


def unfit(servers: list[dict[str, Any]]) -> list[str]:
    """What is wrong with the versions of these servers."""
    return [problem for each in servers if (problem := too_old(str(each.get("redis_version", ""))))]


def server_time(client: "SyncClient") -> float:
    """Epoch seconds by the server's clock; of a cluster by that of any."""
    found: Any = client.time()
    seconds, microseconds = next(iter(found.values())) if isinstance(found, dict) else found
    return int(seconds) + int(microseconds) / 1e6


def _require() -> None:
    try:
        import redis  # noqa: F401
    except ImportError as error:
        raise RedisMissing(INSTALL) from error


def _address(host: str) -> tuple[str, int]:
    parts: SplitResult = urlsplit(f"//{host}")
    return parts.hostname or "localhost", parts.port or 26379


def _without_host(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What a URL asks for, of connections to a server that sentinels name; not what is for the sentinels."""
    options = {
        name: value
        for name, value in asked.items()
        if name not in ("host", "connection_class") and not name.startswith("sentinel_")
    }
    return {**options, "ssl": "connection_class" in asked}


def _sentinel_options(url: str) -> dict[str, Any]:
    """Sentinels have a user and a password of their own: `?sentinel_username=...&sentinel_password=...`."""
    asked = parse_qs(urlsplit(url).query)
    named = {name: asked[f"sentinel_{name}"][0] for name in ("username", "password") if f"sentinel_{name}" in asked}
    return {**named, "socket_timeout": CONNECT_S, "socket_connect_timeout": CONNECT_S}
