"""What a stream of ours knows: its call, its caller, what it holds. What it does with events is in `stream.py`; longer steps of that,
in `attempts.py`, `failing.py` and `tunnel.py`, need no more than is here."""

import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mitmproxy.connection import Server
from mitmproxy.hooks import Hook
from mitmproxy.proxy import events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import GetHttpConnection, HttpStream

from addon.calls.call import Call, Calls
from addon.calls.connection import ClientConnection, OpenConnections
from addon.mitm.deadlines import Deadline, Deadlines, Upload
from addon.mitm.held_answer import HeldAnswer
from addon.mitm.known_connections import Known

if TYPE_CHECKING:
    from mitmproxy.net.server_spec import ServerSpec


@dataclass(frozen=True, slots=True)
class StreamSetup:
    """What every stream gets at."""

    calls: Calls
    connections: OpenConnections
    deadlines: "Deadlines[BaseStream]"
    via: "ServerSpec | None"  # the proxy that this machine used before us
    opens: Callable[[str, int], bool]  # whether a CONNECT to a host, in lower case, and port is opened
    call_at_once: Callable[[Hook], bool]  # False: one of the hook's handlers waits for something


class LayerAbove(Protocol):
    """What a stream asks of the HTTP layer that it is in (`call_layer.py`)."""

    setup: StreamSetup

    @property
    def connections(self) -> Known: ...

    def open_connection(self, wanted: GetHttpConnection, call: Call) -> Server | None: ...

    def inside(self, context: Context) -> layer.Layer: ...


class BaseStream(HttpStream):
    held: HeldAnswer  # while an answer is held back

    def __init__(self, context: Context, stream_id: int, above: LayerAbove) -> None:
        super().__init__(context, stream_id)
        self._layer, self.setup = above, above.setup
        self._deadline = Deadline()
        self._upload = Upload()
        self._call: Call | None = None

    @property
    def call(self) -> Call | None:
        """None where the request is not a call: our endpoints, tunnels, whatever is only passed through."""
        if self._call is None:
            self._call = self.setup.calls.of(self.flow.id)
        return self._call

    @property
    def caller(self) -> ClientConnection:
        return self.setup.connections.of(self.context.client)

    @property
    def known_connections(self) -> Known:
        return self._layer.connections

    def refusal(self) -> str | None:
        """Why `hooks/guard.py` did not let this request connect; None: it did."""
        refusals = self.caller.refusals
        return refusals.get((self.flow.request.host, self.flow.request.port)) if refusals else None

    @property
    def queued(self) -> deque[events.Event]:
        """What came while a hook ran (`queued_events.py`)."""
        return self._paused_event_queue

    @abstractmethod
    def state_hold_answer(self, event: events.Event) -> layer.CommandGenerator[None]:
        """The state of a stream whose answer is held back."""
        yield from ()

    # Timeouts.

    def deadline_ends(self) -> tuple[float, str]:
        """On the monotonic clock, and the message. Asked only while the stream is watched: it has a call then."""
        assert self.call
        if self.is_uploading:
            return self._upload.ends(self.caller.head_s)
        return self._deadline.ends(self.call.asked.timeouts, self.waits_for_first_byte())

    @property
    def is_uploading(self) -> bool:
        return bool(self.client_state == self.state_consume_request_body)

    def waits_for_first_byte(self) -> bool:
        waiting = (self.state_uninitialized, self.state_wait_for_response_headers, self.state_hold_answer)
        return self.server_state in waiting

    # The answer on its way out.

    @property
    def is_passing_on(self) -> bool:
        """Whether pieces of the answer go through its stream function and out, and nothing else happens to them."""
        return bool(
            self.server_state == self.state_stream_response_body
            and not self._paused
            and self.flow.response
            and callable(self.flow.response.stream)
            and not self.context.options.store_streamed_bodies
        )

    def pass_on(self, piece: bytes) -> bytes | Iterable[bytes]:
        """The caller's part of a piece, while `is_passing_on`."""
        self._deadline.heard_at = time.monotonic()
        assert self.flow.response
        assert callable(self.flow.response.stream)
        return self.flow.response.stream(piece)

    def leave_out_body(self) -> None:
        """The answer to HEAD ends with its headers; a body of ours would be taken for the next answer."""
        if self.flow.request.method.upper() == "HEAD" and self.flow.response and self.flow.response.raw_content:
            self.flow.response.raw_content = b""
