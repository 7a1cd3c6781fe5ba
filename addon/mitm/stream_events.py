"""What is sent into a stream of `upstream.py` from outside, and what it asks the addons beside mitmproxy's own hooks."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mitmproxy import http
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.layers.http._base import HttpEvent

if TYPE_CHECKING:
    from addon.mitm.stream import CallStream


class ForStream(events.Event):
    """Sent into a connection's layers from outside, for one stream of it."""

    def __init__(self, stream: "CallStream") -> None:
        self.stream = stream


class DeadlinePassed(ForStream):
    """Patience with the provider is at its end."""


class Abandoned(ForStream):
    """The caller went away before, and now nobody else waits for the answer."""


class Fed(ForStream):
    """A part of the answer, or its failure, from another call."""

    def __init__(self, stream: "CallStream", part: HttpEvent) -> None:
        super().__init__(stream)
        self.part = part


@dataclass
class UpstreamFailedHook(commands.StartHook):
    """`upstream_failed`: no first byte came. An addon may set `flow.response`: it is what the caller gets."""

    flow: http.HTTPFlow


@dataclass
class AttemptEndedHook(commands.StartHook):
    """`attempt_ended`: an attempt failed, or its answer is held back (`flow.response`), and the caller has not heard of it.
    An addon may wait, change `flow.request`, and set AGAIN in the metadata: then the request goes out once more."""

    flow: http.HTTPFlow


@dataclass
class AnswerWantedHook(commands.StartHook):
    """`answer_wanted`: the request is in, and its answer comes by `fed` from now on."""

    stream: "CallStream"
    blocking = False


@dataclass
class CallerLeftHook(commands.StartHook):
    """`caller_left`: the caller went away, and the answer goes on for others, until it is `abandoned`."""

    stream: "CallStream"
    blocking = False
