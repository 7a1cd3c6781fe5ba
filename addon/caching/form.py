"""The form of a stored answer: a head in JSON, a body of all chunks, and a checksum of both."""

import zlib

import orjson

from addon.caching.store import Stored


def checksum(key: str, head: bytes, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(head, zlib.crc32(key.encode())))


def head_of(stored: Stored) -> bytes:
    return orjson.dumps(
        {
            "status": stored.status,
            "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in stored.headers],
            "chunks": [len(chunk) for chunk in stored.chunks],
            "latency_ms": stored.latency_ms,
            "request_id": stored.request_id,
            "started_at_us": stored.started_at_us,
            "model": stored.model,
        }
    )


def stored_of(head: bytes, body: bytes) -> Stored:
    """Of a head and a body whose checksum was compared."""
    facts = orjson.loads(head)
    chunks, start = [], 0
    for length in facts["chunks"]:
        chunks.append(body[start : start + length])
        start += length
    return Stored(
        status=facts["status"],
        headers=tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in facts["headers"]),
        chunks=tuple(chunks),
        latency_ms=facts["latency_ms"],
        request_id=facts["request_id"],
        started_at_us=facts["started_at_us"],
        model=facts["model"],
    )
