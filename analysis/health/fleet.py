"""The fleet as its heartbeats tell it (addon/storage/heartbeat.py): which proxies there are, and what is wrong with them."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from addon.config.settings import Settings, load_what_can_be_read
from addon.objects import manifest
from addon.objects.store import NotThere, Store, StoreTrouble
from addon.storage import heartbeat
from addon.storage.heartbeat import Heartbeat, OtherFormat
from addon.storage.sizes import size_text
from analysis.health.finding import BAD, GOOD, MOST_NAMED, NOTE, Finding

_PATIENCE_S: Final = 5.0
CLOCK_S: Final = 10.0  # S3 tells whole seconds, and a request may be on its way for some
BEHIND_S: Final = 300.0
_AT_ONCE: Final = 16  # requests: a thousand proxies on a store 20 ms away take a second
_NAME: Final = "fleet"


@dataclass(frozen=True, slots=True)
class Member:
    """One data folder, as it was last heard of. Times are epoch seconds by the clock of the store."""

    beat: Heartbeat
    heard_at: float
    now: float

    @property
    def silent_s(self) -> float:
        return max(0.0, self.now - self.heard_at)

    @property
    def ahead_s(self) -> float:
        """Of its clock, before that of the store."""
        return self.beat.at - self.heard_at

    @property
    def behind_s(self) -> float | None:
        """How far the lake is behind this folder; None: it does not ship, or has not begun to."""
        return max(0.0, self.beat.at - self.beat.shipped_at) if self.beat.ships and self.beat.shipped_at else None


@dataclass(frozen=True, slots=True)
class Fleet:
    members: tuple[Member, ...] = ()
    findings: tuple[Finding, ...] = ()  # about what could not be read


def fleet_of(data: Path, config: Path | None) -> Fleet | None:
    """What the places say that `data` shares with others; None: it shares nothing."""
    settings, _ = load_what_can_be_read(data, config)
    members: dict[str, Member] = {}
    findings: list[Finding] = []
    for read in (_of_redis, _of_bucket):
        try:
            for member in read(settings, findings):
                known = members.get(member.beat.owner)
                if known is None or known.silent_s > member.silent_s:
                    members[member.beat.owner] = member
        except (StoreTrouble, OSError, ValueError) as error:
            findings.append(Finding(BAD, _NAME, str(error)))
    if settings.shared is None and settings.lake is None:
        return None
    return Fleet(tuple(sorted(members.values(), key=lambda member: member.beat.name)), tuple(findings))


def _of_redis(settings: Settings, findings: list[Finding]) -> Iterator[Member]:
    """Raises ValueError, OSError."""
    if settings.shared is None:
        return
    from addon.limits.redis_store import tag
    from addon.storage.redis_clients import RedisMissing, open_sync, place_of, server_time, why

    url = settings.shared.opened_url(os.environ)
    try:
        client: Any = open_sync(url, _PATIENCE_S)
    except RedisMissing as error:
        raise ValueError(str(error)) from error
    import redis.exceptions as errors

    tagged = tag(settings.shared.prefix)
    try:
        now = server_time(client)
        heard = {owner: float(at) for owner, at in client.zrange(f"{tagged}heard", 0, -1, withscores=True)}
        found: Mapping[bytes, bytes] = client.hgetall(f"{tagged}fleet")
    except errors.RedisError as error:
        raise ValueError(why(error, place_of(url), _PATIENCE_S)) from error
    finally:
        client.close()
    for owner, text in found.items():
        yield from _member(f"Redis, {owner.decode()}", text, heard.get(owner, 0.0), now, findings)


def _of_bucket(settings: Settings, findings: list[Finding], clock: Callable[[], float] = time.time) -> Iterator[Member]:
    """Raises StoreTrouble."""
    if settings.lake is None:
        return
    store = Store(settings.lake, patience_s=_PATIENCE_S)
    found = [each for each in store.list(f"{heartbeat.FOLDER}/") if clock() - each.at <= heartbeat.FORGOTTEN_S]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        texts = list(pool.map(lambda each: _text(store, each.path), found))
    for each, text in zip(found, texts, strict=True):
        if text is not None:
            yield from _member(f"{settings.lake}/{each.path}", text, each.at, max(clock(), each.at), findings)


def _text(store: Store, path: str) -> bytes | None:
    """None: it has just ended. Raises StoreTrouble."""
    try:
        return store.get(path)[0]
    except NotThere:
        return None


def _member(where: str, text: bytes, heard_at: float, now: float, findings: list[Finding]) -> Iterator[Member]:
    try:
        yield Member(heartbeat.loaded(text), heard_at, now)
    except OtherFormat as error:
        findings.append(Finding(BAD, _NAME, f"{where}: {error}"))


# What is wrong. Pure.


def fleet_findings(fleet: Fleet) -> Iterator[Finding]:
    yield from fleet.findings
    members = fleet.members
    if not members:
        yield Finding(NOTE, _NAME, "no proxy has told of itself yet; a running proxy does so once a minute")
        return
    for member in members:
        yield from _of_one(member)
    yield from _differences(members)
    lately = [member for member in members if member.silent_s <= heartbeat.SILENT_S]
    yield Finding(
        GOOD if lately else NOTE, _NAME, f"{len(lately)} of {len(members)} data folders told of themselves lately"
    )


def _of_one(member: Member) -> Iterator[Finding]:
    beat = member.beat
    if member.silent_s > heartbeat.SILENT_S:
        yield Finding(
            BAD,
            beat.name,
            f"was last heard of {_span(member.silent_s)} ago: it was killed, or cannot reach what is shared. Its calls since"
            " then are on its disk: start it again, or run `heliograph ship` on its folder",
        )
    if abs(member.ahead_s) > CLOCK_S:
        way = "ahead" if member.ahead_s > 0 else "behind"
        yield Finding(
            BAD,
            beat.name,
            f"its clock is {_span(abs(member.ahead_s))} {way}; set it (NTP): times of calls, days and months of budgets"
            " are by it, and S3 refuses requests from 15 min on",
        )
    if beat.trouble:
        waits = f"{beat.waiting_calls:,} calls ({size_text(beat.waiting_bytes)}) wait on its disk"
        yield Finding(BAD, beat.name, f"cannot ship, {waits}: {beat.trouble}")
    elif member.behind_s is not None and member.behind_s > BEHIND_S:
        since = f"{datetime.fromtimestamp(beat.shipped_at or 0.0, UTC):%Y-%m-%d %H:%M UTC}"
        yield Finding(NOTE, beat.name, f"nothing was shipped since {since}: the store is slow, or its settler is busy")
    if beat.settings_problem:
        yield Finding(BAD, beat.name, f"runs on old settings: {beat.settings_problem}")


def _differences(members: Sequence[Member]) -> Iterator[Finding]:
    """What is the same in a fleet that is in order."""
    formats = _by(members, lambda beat: str(beat.lake_format))
    newest = str(max(member.beat.lake_format for member in members))
    if len(formats) > 1 or int(newest) > manifest.FORMAT:
        old = ", ".join(name for found, names in formats.items() if found != newest for name in names)
        yield Finding(
            BAD, _NAME, f"a newer heliograph writes another format of the lake; update {old or 'this machine'}"
        )
    versions = _by(members, lambda beat: beat.version)
    if len(versions) > 1:
        yield Finding(NOTE, _NAME, f"versions differ: {_told(versions)}. That is fine while you update one by one")
    if len(secrets := _by(members, lambda beat: beat.secret)) > 1:
        yield Finding(
            BAD,
            _NAME,
            f"the files `secret` differ, so limits and answers per key are not shared: {_told(secrets, names_value=False)}."
            " Copy one to all and start them again",
        )
    if len(texts := _by(members, lambda beat: beat.settings)) > 1:
        told = _told(texts, names_value=False)
        yield Finding(NOTE, _NAME, f"settings differ: {told}. One URL for all: heliograph up --config https://...")


def _by(members: Sequence[Member], of: Callable[[Heartbeat], str]) -> dict[str, list[str]]:
    """Names by what they have in common."""
    found: dict[str, list[str]] = {}
    for member in members:
        found.setdefault(of(member.beat), []).append(member.beat.name)
    return found


def _told(groups: Mapping[str, list[str]], *, names_value: bool = True) -> str:
    def some(names: list[str]) -> str:
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        return ", ".join(names[:MOST_NAMED]) + more

    return "; ".join(f"{value}: {some(names)}" if names_value else some(names) for value, names in groups.items())


def _span(seconds: float) -> str:
    """`12 s`, `3 min`, `2.5 h`."""
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )
