"""What mitmproxy queued for a stream while a hook ran. Pure functions over that queue."""

from collections import deque
from collections.abc import Callable

from mitmproxy.proxy import events
from mitmproxy.proxy.layers.http._events import (
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)

from addon.mitm.stream_events import Abandoned

type Queue = deque[events.Event]

_FROM_PROVIDER = (ResponseProtocolError, ResponseHeaders, ResponseData, ResponseEndOfMessage)


def drop_stale(queue: Queue) -> None:
    """What came from the provider while a hook ran belongs to the attempt that is over. Left there, the end of its
    connection would be answered on the caller's, where it is taken for the answer to the next call."""
    _keep(queue, lambda event: not isinstance(event, _FROM_PROVIDER))


def caller_left(queue: Queue) -> bool:
    return any(isinstance(event, RequestProtocolError) for event in queue)


def drop_caller_left(queue: Queue) -> None:
    _keep(queue, lambda event: not isinstance(event, RequestProtocolError))


def is_abandoned(queue: Queue, stream: object) -> bool:
    return any(isinstance(event, Abandoned) and event.stream is stream for event in queue)


def _keep(queue: Queue, is_kept: Callable[[events.Event], bool]) -> None:
    kept = [event for event in queue if is_kept(event)]
    queue.clear()
    queue.extend(kept)
