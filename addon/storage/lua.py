"""Lua scripts in Redis. All their keys are on the server of the one key that they are sent with."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from addon.storage.redis_clients import AsyncClient, SyncClient


class Script:
    """Run by its hash; its text is sent where the server does not know it. What redis-py raises goes through."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, client: "AsyncClient", key: str, values: Sequence[Any]) -> Any:
        import redis.exceptions as errors

        try:
            return await client.evalsha(self.sha, 1, key, *values)
        except errors.NoScriptError:
            return await client.eval(self.text, 1, key, *values)

    def run_and_wait(self, client: "SyncClient", key: str, values: Sequence[Any]) -> Any:
        import redis.exceptions as errors

        try:
            return client.evalsha(self.sha, 1, key, *values)
        except errors.NoScriptError:
            return client.eval(self.text, 1, key, *values)
