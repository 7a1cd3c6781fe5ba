"""What our stream passes to its own hooks: mitmproxy's hooks take exactly one argument."""

from dataclasses import dataclass

from mitmproxy import http

from addon.calls.call import Call
from addon.calls.failures import Failure


@dataclass(frozen=True, slots=True)
class EndedAttempt:
    """An attempt failed, or its answer is held back (`flow.response`), and the caller has not heard of it."""

    flow: http.HTTPFlow
    call: Call


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """No first byte came, and no attempt is left."""

    flow: http.HTTPFlow
    failure: Failure
