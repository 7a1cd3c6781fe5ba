"""Cached answers that several proxies share, in Redis.

An answer is a hash: c = checksum, z = "zstd" or "", n = bytes of the body, h = head, b = body, s = seed, m = model, t = stored
at, i = request id. It ends with its age. The sum of all answers is bounded here, by `[cache] max_bytes`, and not by an
eviction policy of the server: that would remove limits as well. Each part of the cache has indexes of its answers: when
each was used, when it ends, how large it is.

A cluster keeps all keys with one hash tag on one server, and a script may touch one server's keys only. There the cache has
parts with tags of their own, so that it spreads over the servers.
"""

import asyncio
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from itertools import batched
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson
import zstandard

from addon.caching.form import checksum, head_of, stored_of
from addon.caching.store import CacheDown, CacheStats, Claimed, Hit, Stored
from addon.storage.lua import Script
from addon.storage.redis_clients import open_sync, place_of, server_time, why
from addon.storage.redis_link import Link, LinkDown
from addon.storage.sqlite import Broken

if TYPE_CHECKING:
    from addon.storage.redis_clients import AsyncClient, SyncClient

CLUSTER_PARTS: Final = 16
_LARGEST_SHARE: Final = 4  # one answer takes a quarter of its part at most
_EVICT_SHARE: Final = 32  # an eviction removes this share at once
_MOST_AT_ONCE: Final = 500  # answers in one question: Redis serves nobody else meanwhile
_OVERHEAD: Final = 600  # bytes that Redis takes for an answer beside its head and body, about
_PATIENCE_S: Final = 5.0  # of a person's command
# A smaller body is hardly smaller compressed. A larger one is compressed in a thread, so that no other call waits.
_LEAST_COMPRESSED, _LARGEST_HERE = 512, 64 * 2**10

_COMMON: Final = """
local P = string.sub(KEYS[1], 1, -2)
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
local function drop(key)
    local size = redis.call('HGET', P .. 'sizes', key)
    if size then redis.call('DECRBY', P .. 'bytes', size) end
    redis.call('HDEL', P .. 'sizes', key)
    redis.call('ZREM', P .. 'used', key)
    redis.call('ZREM', P .. 'ends', key)
    redis.call('ZREM', P .. 'stored', key)
    return redis.call('UNLINK', P .. 'e:' .. key)
end
"""

# Arguments: most bytes, bytes of this answer, age in s, number of keys, keys..., then field and value of the hash in turn.
_PUT: Final = Script(
    _COMMON
    + f"""
local most, size, age, count = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local key
for i = 5, 4 + count do
    if redis.call('EXISTS', P .. 'e:' .. ARGV[i]) == 0 then
        key = ARGV[i]
        break
    end
end
if not key then return 0 end
redis.call('INCRBY', P .. 'bytes', 0)  -- a full server refuses a script at its first write alone, and not if that is a removal
for _, ended in ipairs(redis.call('ZRANGEBYSCORE', P .. 'ends', '-inf', now, 'LIMIT', 0, {_MOST_AT_ONCE})) do drop(ended) end
drop(key)
local held = tonumber(redis.call('GET', P .. 'bytes') or '0')
if held + size > most then
    local doomed = redis.call('ZRANGE', P .. 'used', 0, {_MOST_AT_ONCE - 1})
    for _, oldest in ipairs(doomed) do
        if tonumber(redis.call('GET', P .. 'bytes') or '0') + size <= most - most / {_EVICT_SHARE} then break end
        drop(oldest)
    end
    if tonumber(redis.call('GET', P .. 'bytes') or '0') + size > most then return 0 end
end
redis.call('HSET', P .. 'e:' .. key, 't', string.format('%.6f', now), unpack(ARGV, 5 + count))
redis.call('PEXPIRE', P .. 'e:' .. key, math.ceil(age * 1000))
redis.call('INCRBY', P .. 'bytes', size)
redis.call('HSET', P .. 'sizes', key, size)
redis.call('ZADD', P .. 'used', now, key)
redis.call('ZADD', P .. 'stored', now, key)
redis.call('ZADD', P .. 'ends', now + age, key)
return 1
"""
)
# The end of the next two. Arguments: key, holder, lease in ms.
_TAKE_IF_FREE: Final = """
local holder = redis.call('GET', P .. 'q:' .. ARGV[1])
if holder and holder ~= ARGV[2] then return 'theirs' end
redis.call('SET', P .. 'q:' .. ARGV[1], ARGV[2], 'PX', ARGV[3])
return 'ours'
"""
_CLAIM: Final = Script(
    _COMMON
    + """
if redis.call('EXISTS', P .. 'e:' .. ARGV[1]) == 1 then return 'stored' end
"""
    + _TAKE_IF_FREE
)
# One more argument: now by the proxy's clock. Answers: the fields of a stored answer, else who may make it. Where
# its use cannot be noted, the answer is good nevertheless.
_GET_OR_CLAIM: Final = Script(
    """
local P = string.sub(KEYS[1], 1, -2)
local found = redis.call('HMGET', P .. 'e:' .. ARGV[1], 'c', 'z', 'n', 'h', 'b')
if found[1] then
    redis.pcall('ZADD', P .. 'used', 'XX', ARGV[4], ARGV[1])
    return found
end
"""
    + _TAKE_IF_FREE
)
_RELEASE: Final = Script(
    _COMMON
    + """
if redis.call('GET', P .. 'q:' .. ARGV[1]) == ARGV[2] then redis.call('DEL', P .. 'q:' .. ARGV[1]) end
return 1
"""
)
_DROP: Final = Script(
    _COMMON
    + """
local dropped = 0
for _, key in ipairs(ARGV) do dropped = dropped + drop(key) end
return dropped
"""
)


def parts_of(prefix: str, *, is_cluster: bool) -> tuple[str, ...]:
    """What the keys of each part begin with."""
    return tuple(f"{{{prefix}:{part}}}:" for part in range(CLUSTER_PARTS if is_cluster else 1))


def part_of(parts: Sequence[str], key: str) -> str:
    """All slots of a bucket are in the part of its first key."""
    return parts[zlib.crc32(key.encode()) % len(parts)]


class RedisAnswers:
    """The proxies' side. See AnswerStore."""

    def __init__(self, link: Link, prefix: str, max_bytes: int) -> None:
        self.troubles = 0
        self._link = link
        self._parts = parts_of(prefix, is_cluster=link.place.is_cluster)
        self._most = max_bytes // len(self._parts)

    async def get(self, keys: Sequence[str], now: float, dice: Callable[[int], int]) -> Hit | None:
        part = part_of(self._parts, keys[0])
        try:
            if len(keys) > 1 and await self._link.ask(lambda client: _count(client, part, keys)) < len(keys):
                return None
            index = dice(len(keys))
            found = await self._link.ask(lambda client: _read(client, part, keys[index], now))
            return None if found is None else Hit(await _stored(keys[0], found), index)
        except LinkDown:
            self.troubles += 1
            return None
        except (Broken, zstandard.ZstdError, ValueError):
            self.troubles += 1
            await self._drop(part, keys[index])
            return None

    async def get_or_claim(
        self, key: str, holder: str, lease_s: float, now: float
    ) -> Hit | Literal[Claimed.OURS, Claimed.THEIRS]:
        part = part_of(self._parts, key)
        try:
            found = await self._link.run(_GET_OR_CLAIM, part + "-", [key, holder, round(lease_s * 1000), now])
            if isinstance(found, list):
                return Hit(await _stored(key, found), 0)
            return Claimed.OURS if found == b"ours" else Claimed.THEIRS
        except LinkDown:
            self.troubles += 1
            return Claimed.OURS
        except (Broken, zstandard.ZstdError, ValueError):
            self.troubles += 1
            await self._drop(part, key)
            return Claimed.OURS

    async def _drop(self, part: str, key: str) -> None:
        with suppress(LinkDown):
            await self._link.run(_DROP, part + "-", [key])

    async def put(self, keys: Sequence[str], stored: Stored, *, now: float, max_age_s: float, seed: str | None) -> bool:
        if max_age_s <= 0:
            return False
        part = part_of(self._parts, keys[0])
        try:
            fields = await asyncio.to_thread(_packed, keys[0], stored, seed)
            size = _OVERHEAD + sum(len(value) for value in fields[1::2] if isinstance(value, bytes))
            if size > self._most // _LARGEST_SHARE:
                return False
            values = [self._most, size, max_age_s, len(keys), *keys, *fields]
            return bool(await self._link.run(_PUT, part + "-", values))
        except (LinkDown, ValueError, orjson.JSONEncodeError):
            self.troubles += 1
            return False

    async def claim(self, key: str, holder: str, lease_s: float, now: float) -> Claimed:
        try:
            values = [key, holder, round(lease_s * 1000)]
            return Claimed((await self._link.run(_CLAIM, part_of(self._parts, key) + "-", values)).decode())
        except LinkDown:
            self.troubles += 1
            return Claimed.OURS

    async def is_claimed(self, key: str, now: float) -> bool:
        name = f"{part_of(self._parts, key)}q:{key}"
        try:
            return bool(await self._link.ask(lambda client: client.exists(name)))
        except LinkDown:
            self.troubles += 1
            return False

    async def release(self, key: str, holder: str) -> None:
        try:
            await self._link.run(_RELEASE, part_of(self._parts, key) + "-", [key, holder])
        except LinkDown:
            self.troubles += 1  # it ends with its lease

    async def close(self) -> None:
        await self._link.close()


class RedisShelf:
    """A person's side. See AnswerShelf."""

    def __init__(self, url: str, prefix: str, max_bytes: int = 2**30) -> None:
        """Raises RedisMissing, ValueError."""
        self._place, self._max_bytes = place_of(url), max_bytes
        self._client: SyncClient = open_sync(url, _PATIENCE_S)
        self._parts = parts_of(prefix, is_cluster=self._place.is_cluster)

    def stats(self) -> CacheStats:
        entries = used = 0
        stored: list[float] = []
        for part in self._parts:
            for ended in batched(self._ended(part), _MOST_AT_ONCE):
                self._drop(part, ended)
            entries += self._do("zcard", f"{part}stored")
            used += int(self._do("get", f"{part}bytes") or 0)
            for end in (0, -1):
                stored += [score for _, score in self._do("zrange", f"{part}stored", end, end, withscores=True)]
        return CacheStats(entries, used, self._max_bytes, min(stored, default=None), max(stored, default=None))

    def clear(
        self, *, now: float, seed: str | None = None, model: str | None = None, older_than_s: float | None = None
    ) -> int:
        def is_meant(found: list[bytes | None]) -> bool:
            its_seed, its_model, stored_at, _ = found
            return (
                (seed is None or its_seed == seed.encode())
                and (model is None or its_model == model.encode())
                and (older_than_s is None or float(stored_at or 0) < now - older_than_s)
            )

        return self._drop_where(is_meant)

    def calls(self) -> set[str]:
        return {found[3].decode() for _, entries in self._entries() for _, found in entries if found[3]}

    def forget(self, request_ids: Collection[str]) -> int:
        wanted = {request_id.encode() for request_id in request_ids}
        return self._drop_where(lambda found: found[3] in wanted)

    def close(self) -> None:
        self._client.close()

    def _drop_where(self, is_meant: Callable[[list[bytes | None]], bool]) -> int:
        dropped = 0
        for part, entries in self._entries():
            if doomed := [key for key, found in entries if found[3] and is_meant(found)]:
                dropped += self._drop(part, doomed)
        return dropped

    def _entries(self) -> Iterator[tuple[str, list[tuple[bytes, list[bytes | None]]]]]:
        """Some answers of a part at a time: the key, and seed, model, time and request id of each."""
        for part in self._parts:
            for some in batched(self._do("zrange", f"{part}stored", 0, -1), _MOST_AT_ONCE):
                yield part, list(zip(some, self._facts(part, some), strict=True))

    def _facts(self, part: str, keys: Sequence[bytes]) -> list[list[bytes | None]]:
        def read(client: "SyncClient") -> Any:
            pipe = client.pipeline(transaction=False)
            for key in keys:
                pipe.hmget(f"{part}e:{key.decode()}", "s", "m", "t", "i")
            return pipe.execute()

        return list(self._ask(read))

    def _ended(self, part: str) -> list[bytes]:
        return list(self._do("zrangebyscore", f"{part}ends", "-inf", self._ask(server_time)))

    def _drop(self, part: str, keys: Sequence[bytes]) -> int:
        return int(self._ask(lambda client: _DROP.run_and_wait(client, f"{part}-", keys)))

    def _do(self, command: str, *values: Any, **options: Any) -> Any:
        return self._ask(lambda client: getattr(client, command)(*values, **options))

    def _ask(self, question: Callable[[Any], Any]) -> Any:
        import redis.exceptions as errors

        try:
            return question(self._client)
        except (errors.RedisError, OSError) as error:
            raise CacheDown(why(error, self._place, _PATIENCE_S)) from error


async def _count(client: "AsyncClient", part: str, keys: Sequence[str]) -> int:
    return int(await client.exists(*(f"{part}e:{key}" for key in keys)))


async def _read(client: "AsyncClient", part: str, key: str, now: float) -> list[bytes] | None:
    """Checksum, compression, length, head and body; the use is noted in the same question. Where that cannot be written, the
    answer is good nevertheless. None: there is none."""
    pipe = client.pipeline(transaction=False)
    pipe.hmget(f"{part}e:{key}", "c", "z", "n", "h", "b")
    pipe.zadd(f"{part}used", {key: now}, xx=True)
    found, _ = await pipe.execute(raise_on_error=False)
    if isinstance(found, Exception):
        raise found
    return None if found[0] is None else list(found)


def _packed(bucket: str, stored: Stored, seed: str | None) -> list[Any]:
    """Fields and values in turn. The checksum is over the key of the bucket's first slot: the slot is chosen in Redis."""
    head, body = head_of(stored), b"".join(stored.chunks)
    compressed = zstandard.ZstdCompressor().compress(body) if len(body) >= _LEAST_COMPRESSED else body
    is_smaller = len(compressed) < len(body)
    values = {"c": checksum(bucket, head, body), "z": "zstd" if is_smaller else "", "n": len(body), "h": head}
    values |= {
        "b": compressed if is_smaller else body,
        "s": seed or "",
        "m": stored.model or "",
        "i": stored.request_id,
    }
    return [part for item in values.items() for part in item]


async def _stored(bucket: str, found: list[bytes]) -> Stored:
    """In a thread where it is large. Raises Broken, ZstdError, ValueError."""
    if len(found[-1]) > _LARGEST_HERE:
        return await asyncio.to_thread(_unpacked, bucket, found)
    return _unpacked(bucket, found)


def _unpacked(bucket: str, found: list[bytes]) -> Stored:
    """Raises Broken, ZstdError, ValueError."""
    crc, compression, length, head, body = found
    if compression == b"zstd":
        body = zstandard.ZstdDecompressor().decompress(body, max_output_size=int(length))
    if checksum(bucket, head, body) != int(crc):
        raise Broken(f"the answer under {bucket} is not what was stored")
    return stored_of(head, body)
