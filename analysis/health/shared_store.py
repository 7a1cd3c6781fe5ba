"""The Redis of [shared]: whether it is reached, new enough and writable, and whether the machines of the fleet fit together."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from addon.config.settings import load_what_can_be_read, secret
from addon.config.stores import machine_of
from addon.limits.redis_scripts import SEEN_LATELY_S
from addon.limits.redis_store import tag
from addon.storage.heartbeat import fingerprint
from addon.storage.redis_clients import RedisMissing, open_sync, place_of, server_time, servers_of, unfit, why
from analysis.health.finding import BAD, GOOD, NOTE, Finding

_PATIENCE_S: Final = 3.0
_CLOCK_S: Final = 5.0  # clocks that differ by more count spending around midnight to different days
_NAME: Final = "shared store"


def shared_store(data: Path, config: Path | None) -> Iterator[Finding]:
    settings, _ = load_what_can_be_read(data, config)
    if settings.shared is None:
        return
    try:
        url = settings.shared.opened_url(os.environ)
        client: Any = open_sync(url, _PATIENCE_S)
    except (RedisMissing, ValueError) as error:
        yield Finding(BAD, _NAME, str(error))
        return
    import redis.exceptions as errors

    place = place_of(url)
    try:
        yield from _findings(client, place.shown, tag(settings.shared.prefix), data)
    except (errors.RedisError, OSError) as error:
        yield Finding(BAD, _NAME, f"{why(error, place, _PATIENCE_S)}; calls go on by each machine's own limits")
    finally:
        client.close()


def _findings(client: Any, shown: str, tagged: str, data: Path) -> Iterator[Finding]:
    began = time.monotonic()
    client.set(f"{tagged}doctor", "1", px=1000)
    took_ms = (time.monotonic() - began) * 1000
    servers = servers_of(client.info())
    for problem in unfit(servers):
        yield Finding(BAD, _NAME, f"{shown}: {problem}")
    policies = {str(info.get("maxmemory_policy", "noeviction")) for info in servers}
    if evicting := sorted(policies - {"noeviction"}):
        told = f"maxmemory-policy {evicting[0]} may remove limits and budgets; set it to noeviction"
        yield Finding(NOTE, _NAME, f"{shown}: {told}")
    server_now = server_time(client)
    if (apart_s := abs(time.time() - server_now)) > _CLOCK_S:
        yield Finding(NOTE, _NAME, f"this machine's clock and that of {shown} are {apart_s:,.0f} s apart")
    if not _has_the_fleets_secret(client, tagged, data):
        told = (
            "its file `secret` differs from another machine's: limits and answers per key are not shared; docs/scale.md"
        )
        yield Finding(BAD, _NAME, f"{data}: {told}")
    lately = client.zcount(f"{tagged}proxies", server_now - SEEN_LATELY_S, "+inf")
    yield Finding(
        GOOD, _NAME, f"{shown} answers in {took_ms:.1f} ms; {lately} proxies asked it in the last {SEEN_LATELY_S} s"
    )


def _has_the_fleets_secret(client: Any, tagged: str, data: Path) -> bool:
    """Keys are known by hashes that are made with it. Only a hash of the secret itself leaves the machine."""
    ours = fingerprint(secret(data))
    client.hset(f"{tagged}secrets", machine_of(data), ours)
    return {value.decode() for value in client.hvals(f"{tagged}secrets")} == {ours}
