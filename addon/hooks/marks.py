"""What our HTTP stream and our hooks tell each other about a flow, in `flow.metadata`.

mitmproxy copies that dictionary and writes it to flow files (`-w`): texts, numbers, truth values and tuples only.
"""

from typing import Final

OWN: Final = "heliograph_own"  # bool: the request was sent to this proxy as to a server, not through it
ENDPOINT: Final = "heliograph_endpoint"  # str: the path of one of our own endpoints that is asked for
TIMEOUTS: Final = "heliograph_timeouts"  # settings.Timeouts of this call; without it there are none
SENT_AT: Final = "heliograph_sent_at"  # float: epoch seconds when the request began to go out to the provider
CONNECT_S: Final = "heliograph_connect_s"  # float: time spent on getting an upstream connection
HOLD: Final = "heliograph_hold"  # tuple of (low, high): statuses that are held back, since the call may be tried again
FOLLOWS: Final = "heliograph_follows"  # True: the answer comes from an identical call that is under way
SHARED: Final = "heliograph_shared"  # bool: others wait for this call's answer as well
AGAIN: Final = "heliograph_again"  # True: the attempt that ended is to be followed by another
HIDES_USAGE: Final = "heliograph_hides_usage"  # True: the stream was asked for its usage, and not by the caller
BROKEN_BY: Final = "heliograph_broken_by"  # who ended the call early, one of:
CALLER, PROVIDER, TIMEOUT, CONNECT = "caller", "provider", "timeout", "connect"
REFUSED: Final = "refused"  # we ourselves: the target's address is one that a header may not name
