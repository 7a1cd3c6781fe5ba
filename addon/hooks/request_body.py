"""Reading a request's body while the call waits: where a header or the config asks for it, and nowhere else."""

import asyncio
from collections.abc import Callable
from typing import Final

# Up to here a body is read on the loop, in less time than a thread takes to begin.
_READ_HERE_BYTES: Final = 256 * 2**10


async def read_body[T](read: Callable[[bytes], T], body: bytes) -> T:
    """What `read` makes of the body; in a thread where it is large, so that no other call waits for it."""
    return read(body) if len(body) <= _READ_HERE_BYTES else await asyncio.to_thread(read, body)
