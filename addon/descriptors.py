"""How many sockets and files a process may have open. A caller's connection takes one descriptor, its call upstream another."""

import resource
from typing import Final

# Programs that we start inherit the limit, and some close every number below it when they start: not a billion.
MOST: Final = 65_536
EACH_CALL: Final = 2
# Connections that wait to be accepted: beyond asyncio's 100 the system lets callers try again after a second. It may allow
# fewer than this.
LONGEST_QUEUE: Final = 4096
OTHERS: Final = 100  # journal, lake, databases, children


def reachable() -> int:
    """What the limit can be raised to without more rights."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)


def raise_limit() -> None:
    """Systems often allow 1,024 at first, and many more to a program that asks."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < reachable():
        resource.setrlimit(resource.RLIMIT_NOFILE, (reachable(), hard))


def calls_at_once(descriptors: int) -> int:
    return max(0, (descriptors - OTHERS) // EACH_CALL)
