"""A mode of mitmproxy for workers: like `regular`, but on listening sockets that this process has inherited.

`--mode inherited:3,4` listens on file descriptors 3 and 4. Import this module before mitmproxy reads the mode. The sockets
belong to the parent: connections wait in their one queue, whichever worker comes or goes.
"""

import asyncio
import os
import socket
from collections.abc import Sequence
from typing import Any, Final

from mitmproxy.proxy import layer, layers
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.mode_servers import AsyncioServerInstance
from mitmproxy.proxy.mode_specs import RegularMode

# Accepted at one turn of the event loop. asyncio would accept 100: one worker would have taken 63 of 64 connections that
# came together before another one woke up.
_AT_ONCE: Final = 1


class InheritedMode(RegularMode):
    def __post_init__(self) -> None:
        if not self.descriptors:
            raise ValueError("name the file descriptors of listening sockets: inherited:3")

    @property
    def descriptors(self) -> list[int]:
        return [int(number) for number in self.data.split(",") if number.isdigit()]


class _Listening(socket.socket):
    def listen(self, backlog: int = 0) -> None:
        """The parent did. asyncio would cut the queue of all workers to what it accepts at once."""


class InheritedInstance(AsyncioServerInstance[InheritedMode]):
    def make_top_layer(self, context: Context) -> layer.Layer:
        return layers.modes.HttpProxy(context)

    async def listen(self, host: str, port: int) -> list[Any]:
        return [
            await asyncio.start_server(
                self.handle_stream, sock=_Listening(fileno=os.dup(descriptor)), backlog=_AT_ONCE, start_serving=False
            )
            for descriptor in self.mode.descriptors
        ]

    async def accept(self) -> None:
        """Begins to: not before all addons run, since connections may be waiting."""
        for server in self._servers:
            assert isinstance(server, asyncio.Server)
            await server.start_serving()


def mode_of(descriptors: Sequence[int]) -> str:
    return f"inherited:{','.join(map(str, descriptors))}"
