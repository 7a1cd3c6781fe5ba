"""A worker: one of the processes that serve the port of `heliograph up --workers N`. Started by `addon/workers/supervisor.py`.

Its standard input is the link to the parent: orders first, then what `addon/hooks/parent.py` tells of. When it ends, the
parent is gone, and the worker ends in order.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from addon.config.reload import taken_over
from addon.config.settings import ConfigError, Settings, load
from addon.hooks.parent import FAILED, LISTENS, Parent, received, send
from addon.hooks.proxy import Proxy
from addon.serve import serve
from addon.storage.counts import CountsBoard
from addon.storage.folders import NotOurs

_LONGEST_MESSAGE: Final = 16 * 2**20  # bytes


def main() -> int:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the parent's to act on
    return asyncio.run(_work(_taken_stdin()))


def _taken_stdin() -> socket.socket:
    """The link; what this process starts gets an empty standard input, and cannot hold the link open."""
    link = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return link


async def _work(link: socket.socket) -> int:
    reader, writer = await asyncio.open_connection(sock=link, limit=_LONGEST_MESSAGE)
    orders = await received(reader)
    if orders is None:
        return 1  # the parent is gone already
    try:
        settings = _settings(orders)
        parent = Parent(
            reader=reader,
            writer=writer,
            run=orders["run"],
            workers=orders["workers"],
            board=CountsBoard(orders["board"], orders["rows"]),
        )
        proxy = Proxy(counts=parent.board.row(orders["row"]), parent=parent, started_at=orders["started_at"])

        def listening(_: object) -> None:
            proxy.counts.serving = 1
            parent.tell(LISTENS)

        host, port = orders["listen"]
        await serve(settings, (host, port), listening, proxy, sockets=orders["sockets"])
    except (ConfigError, OSError) as error:
        logging.getLogger(__name__).debug("cannot start", exc_info=error)
        send(writer, FAILED, **_told(error))
        await writer.drain()
        return 1
    return 0


def _settings(orders: Mapping[str, Any]) -> Settings:
    """As the parent has them: those of the file as it was at the last start of all workers, with the changes since then that a
    running proxy takes over. Raises ConfigError."""
    command_line = (Path(orders["data"]), Path(orders["config"]), orders["upstreams"], orders["upstream_timeout"])
    begun = load(*command_line, environ=os.environ, text=orders["text"])
    latest = load(*command_line, environ=os.environ, text=orders["latest_text"])
    settings = taken_over(begun, latest, alone=True)
    return replace(settings, config=Path(orders["config"]))


def _told(error: Exception) -> dict[str, Any]:
    if isinstance(error, NotOurs) or not isinstance(error, OSError):
        return {"kind": "not ours" if isinstance(error, OSError) else "config", "text": str(error)}
    return {"kind": "os", "errno": error.errno, "text": error.strerror or str(error), "file": error.filename}


if __name__ == "__main__":
    sys.exit(main())
