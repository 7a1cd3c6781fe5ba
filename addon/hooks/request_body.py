"""Reading a request's body while the call waits: where a header or the config asks for it, and nowhere else."""

import asyncio
from collections.abc import Callable
from typing import Final

from addon.metering.content_coding import is_small

# Up to here a body is read on the loop, in less time than a thread takes to begin.
READ_HERE_BYTES: Final = 256 * 2**10


async def read_body[T](read: Callable[[bytes], T], body: bytes, content_encoding: str | None) -> T:
    """What `read` makes of the body as it came; in a thread where the decoded body is large, so that no other call waits
    for it. `read` decodes with a bound of its own."""
    if is_small(body, content_encoding, READ_HERE_BYTES):
        return read(body)
    return await asyncio.to_thread(read, body)
