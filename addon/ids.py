"""Ids and keyed hashes."""

import hashlib
import hmac
import os
import re
import time
from functools import lru_cache
from typing import Final

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_ACCESS_KEY_ID: Final = re.compile(r"Credential=([^/]+)/")


def uuid7() -> str:
    """A UUIDv7 (RFC 9562): ordered by time, so that Parquet's min/max find it without an index. Python has it from 3.14."""
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def parse_uuid(text: str) -> str | None:
    """`text` in lower case if it is a UUID of RFC 9562 (versions 1 to 8), else None."""
    lower = text.strip().lower()
    return lower if _UUID.fullmatch(lower) else None


@lru_cache(maxsize=4096)
def keyed_hash(key: bytes, credential: str) -> str:
    """32 hex digits that stand for a credential. AWS signatures change with each call, so the access key id stands for them."""
    if credential.startswith("AWS4-") and (found := _ACCESS_KEY_ID.search(credential)):
        credential = found.group(1)
    scheme, _, token = credential.strip().partition(" ")
    credential = (token if scheme.lower() == "bearer" else credential).strip()
    return hmac.new(key, credential.encode(errors="surrogateescape"), hashlib.sha256).hexdigest()[:32]
