"""What is sent into a `CallStream` from outside, and the hooks of our own that it calls beside mitmproxy's."""

from dataclasses import dataclass

from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layers.http._base import HttpEvent

from addon.calls.attempt_outcomes import EndedAttempt, NoAnswer
from addon.calls.failures import Failure
from addon.mitm.base_stream import BaseStream


class ForStream(events.Event):
    """Sent into a connection's layers from outside, for one stream of it."""

    def __init__(self, stream: BaseStream) -> None:
        self.stream = stream


class HeadIsLate(events.Event):
    """Sent into a connection's layers: what has come of a request's head has been there for too long."""


class ReadNext(events.Event):
    """A request has come behind another one, which is answered now."""


class ProxyLeaves(events.Event):
    """Sent into the layers of an HTTP/2 connection: this process ends, and takes no further requests."""

    def __init__(self, *, soon: bool) -> None:
        self.soon = soon  # callers that never pause must be told now


class DeadlinePassed(ForStream):
    """One of the call's timeouts has passed."""


class Abandoned(ForStream):
    """The caller left before, and now the last of the other callers that waited for the answer left, too."""


class Fed(ForStream):
    """A part of the answer from another call, or that call's failure."""

    def __init__(self, stream: BaseStream, part: HttpEvent, failure: Failure | None = None) -> None:
        super().__init__(stream)
        self.part = part
        self.failure = failure


@dataclass
class UpstreamFailedHook(commands.StartHook):
    """`upstream_failed`: an addon may set `flow.response`; the caller gets it."""

    failed: NoAnswer


@dataclass
class AttemptEndedHook(commands.StartHook):
    """`attempt_ended`: an addon may wait, change `flow.request`, and set `call.attempts.again`; then the request is sent once
    more."""

    ended: EndedAttempt


@dataclass
class AnswerWantedHook(commands.StartHook):
    """`answer_wanted`: the request is in, and its answer comes as `Fed` events from now on."""

    stream: BaseStream
    blocking = False


@dataclass
class CallerLeftHook(commands.StartHook):
    """`caller_left`: the caller disconnected, and the answer goes on for others until it is `Abandoned`."""

    stream: BaseStream
    blocking = False
