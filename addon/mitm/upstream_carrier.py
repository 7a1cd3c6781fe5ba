"""Reads one upstream connection, for whichever caller has it, as mitmproxy's `handle_connection` does for one caller.

With mitmproxy's tasks alone each change of callers ends a task and begins another, which were 5 % of a call on a new connection.

Relies on mitmproxy's internals (read on 12.2.3; `internals.py` checks them): `ConnectionHandler.transports`, `.server_event`,
`.drain_writers` and `.handle_hook`.
"""

import asyncio
import select
import time
from collections.abc import Callable
from typing import Any, Final

from mitmproxy.connection import ConnectionState, Server
from mitmproxy.proxy import events, server_hooks
from mitmproxy.proxy.server import ConnectionIO

_READ_BYTES: Final = 65535  # at most at once, as mitmproxy


class Carrier:
    def __init__(
        self,
        server: Server,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        on_end: Callable[["Carrier"], None],
    ) -> None:
        """At first nobody has it. `on_end` is told when it is over."""
        self.server = server
        self._reader, self._writer, self._on_end = reader, writer, on_end
        self._handler: Any = None  # mitmproxy's, of the caller that has it
        self._waits_for_data = True
        self._task: asyncio.Task[None] | None = None

    def read_on(self) -> None:
        """From now on it is over once the provider closes it, or says anything while nobody has it."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._carry())

    def give_to(self, handler: Any) -> None:
        self._handler = handler
        handler.transports[self.server] = ConnectionIO(self._task, self._reader, self._writer)

    def leave(self) -> bool:
        """Its caller has it no more. False: something is under way on it, and it stays with the caller."""
        if not self._waits_for_data or self._writer.transport.get_write_buffer_size():
            return False
        del self._handler.transports[self.server]
        self._handler = None
        return True

    @property
    def is_silent(self) -> bool:
        """Whether the provider has neither closed it nor said anything since the last answer."""
        reader = self._reader
        if not (self._waits_for_data and self._task) or self._task.cancelling() or self._writer.is_closing():
            return False
        if reader.at_eof() or _unread(reader):
            return False
        waiting = select.poll()  # what the event loop has not read yet
        waiting.register(self._writer.get_extra_info("socket").fileno(), select.POLLIN)
        return not waiting.poll(0)

    def close(self) -> None:
        """While nobody has it."""
        if self._task:
            self._task.cancel()

    async def _carry(self) -> None:
        cancelled: asyncio.CancelledError | None = None
        try:
            while data := await self._read():
                self._waits_for_data = False
                if self._handler is None:
                    break
                await self._handler.server_event(events.DataReceived(self.server, data))
                await self._handler.drain_writers()
                self._waits_for_data = True
        except asyncio.CancelledError as error:
            cancelled = error
        self._waits_for_data = False
        if self._handler:
            cancelled = await self._end_with_its_caller(cancelled)
        self._writer.close()
        self._on_end(self)
        if cancelled:
            raise cancelled

    async def _read(self) -> bytes:
        """b"": the provider has closed it."""
        try:
            return await self._reader.read(_READ_BYTES)
        except OSError:
            return b""

    async def _end_with_its_caller(self, cancelled: asyncio.CancelledError | None) -> asyncio.CancelledError | None:
        """As the end of mitmproxy's `handle_connection` and `open_connection`."""
        server, handler = self.server, self._handler
        server.state = ConnectionState.CLOSED if cancelled else server.state & ~ConnectionState.CAN_READ
        await handler.server_event(events.ConnectionClosed(server))
        if server.state is ConnectionState.CAN_WRITE:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError as error:
                cancelled = error
        handler.transports.pop(server)
        server.timestamp_end = time.time()
        about = server_hooks.ServerConnectionHookData(client=handler.client, server=server)
        await handler.handle_hook(server_hooks.ServerDisconnectedHook(about))
        return cancelled


def _unread(reader: asyncio.StreamReader) -> bool:
    return bool(getattr(reader, "_buffer", True))  # True: this Python keeps it elsewhere, and nothing is used again
