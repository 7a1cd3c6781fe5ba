"""How often a caller may try to sign in with a wrong key. The clock is passed in."""

import ipaddress
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

from addon.routing.addresses import address_of, is_loopback

MOST_TRIES: Final = 10  # keys have 144 random bits: this is for the noise, not against guessing
WITHIN_S: Final = 60.0
MOST_CALLERS: Final = 4096  # of more than these the ones whose last try is oldest are forgotten
_IPV6_NETWORK_BITS: Final = 64  # what one subscriber has


class Tries:
    """Of each caller by itself, so that nobody can keep others from signing in."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, caller: str) -> float:
        """Seconds until the next try is allowed; 0: now."""
        failed = self._failed.get(caller)
        if failed is None or len(failed) < MOST_TRIES:
            return 0.0
        # A clock that went back must not make the wait longer.
        return min(WITHIN_S, max(0.0, failed[0] + WITHIN_S - self._clock()))

    def failed(self, caller: str) -> None:
        self._failed.setdefault(caller, deque(maxlen=MOST_TRIES)).append(self._clock())
        self._failed.move_to_end(caller)
        if len(self._failed) > MOST_CALLERS:
            self._failed.popitem(last=False)


def caller_of(peer: str, forwarded_for: str) -> str:
    """The address that tries are counted for, of IPv6 its network. `peer`: of the connection; `forwarded_for`: the header
    X-Forwarded-For. It counts where the peer is on this machine: a web server before this one, which appends the address
    that it sees, so the last one is the caller's. All callers of a server that does not say so are one."""
    forwarded = address_of(forwarded_for.rpartition(",")[2].strip())
    address = forwarded if forwarded and is_loopback(peer) else address_of(peer)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((address, _IPV6_NETWORK_BITS), strict=False))
    return str(address or peer)
