"""HTTP/2 callers of the soak: calls side by side on one connection, through CONNECT and TLS, and ways to leave them."""

import asyncio
import socket
import ssl
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import ProtocolError

_RESET_AT_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER: the kernel sends RST instead of what is left


class Broken(Exception):
    """The stream, or its connection, ended before the answer did."""

    def __init__(self, why: str, *, has_begun: bool) -> None:
        super().__init__(why)
        self.has_begun = has_begun  # some of the answer had come


class Refused(Exception):
    """The proxy has not read the call (RFC 9113, 8.7): it may be sent again."""


class Left(Exception):
    """The caller itself left the connection."""


@dataclass(slots=True)
class _Stream:
    ended: asyncio.Future[None]
    head: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    is_over: bool = False  # `ended` is done as well when its caller gives up


def trusting(ca: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(ca))
    context.set_alpn_protocols(["h2"])
    return context


class Http2Connection:
    """One connection of a caller, to one host of a provider."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.calls, self.most_calls, self.is_closed = 0, 0, False
        self._reader, self._writer = reader, writer
        self._speaks = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._streams: dict[int, _Stream] = {}
        self._speaks.initiate_connection()
        self._send()
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def open(cls, port: int, host: str, tls: ssl.SSLContext) -> Self:
        """Raises OSError, IncompleteReadError."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(f"CONNECT {host}:443 HTTP/1.1\r\nhost: {host}:443\r\n\r\n".encode())
            await reader.readuntil(b"\r\n\r\n")
            await writer.start_tls(tls, server_hostname=host)
        except BaseException:
            writer.close()
            raise
        return cls(reader, writer)

    async def call(self, head: list[tuple[str, str]], body: bytes) -> tuple[dict[str, str], bytes]:
        """The head and the body of the whole answer; a call that is cancelled resets its stream. Raises Broken, Refused, Left,
        and ProtocolError where the proxy sent what is not HTTP/2."""
        if self.is_closed:
            raise Refused
        self.calls += 1
        number = self._speaks.get_next_available_stream_id()
        stream = self._streams[number] = _Stream(asyncio.get_running_loop().create_future())
        self._speaks.send_headers(number, head)
        self._speaks.send_data(number, body, end_stream=True)
        self._send()
        try:
            await stream.ended
        except asyncio.CancelledError:
            if not stream.is_over and not self._writer.is_closing():
                self._speaks.reset_stream(number, ErrorCodes.CANCEL)
                self._send()
            raise
        finally:
            self._streams.pop(number, None)
        return stream.head, bytes(stream.body)

    def leave(self, *, resets: bool = False) -> None:
        """Whatever is under way. `resets`: without a word, so that what the proxy has not read yet is lost."""
        self.is_closed = True
        for number in list(self._streams):
            self._end(number, Left())
        self._listening.cancel()
        if self._writer.is_closing():
            return  # the proxy was faster
        if resets:
            self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
            self._writer.transport.abort()
        else:
            self._writer.close()

    def _send(self) -> None:
        self._writer.write(self._speaks.data_to_send())

    async def _listen(self) -> None:
        why: Exception = ConnectionError("the proxy closed the connection")
        try:
            while piece := await self._reader.read(65_536):
                for event in self._speaks.receive_data(piece):
                    self._hear(event)
                self._send()
        except (OSError, ProtocolError) as error:
            why = error
        finally:
            self.is_closed = True
            self._writer.close()
            for number in list(self._streams):
                self._end(number, why)

    def _hear(self, event: Event) -> None:
        match event:
            case ConnectionTerminated():
                self.is_closed = True
                for number in [each for each in self._streams if each > (event.last_stream_id or 0)]:
                    self._end(number, Refused())
            case ResponseReceived(stream_id=number) if stream := self._streams.get(number):
                stream.head = {str(name): str(value) for name, value in event.headers}
            case DataReceived(stream_id=number):
                self._speaks.acknowledge_received_data(event.flow_controlled_length, number)
                if stream := self._streams.get(number):
                    stream.body += event.data
            case StreamEnded(stream_id=number):
                self._end(number, None)
            case StreamReset(stream_id=number, error_code=ErrorCodes.REFUSED_STREAM):
                self._end(number, Refused())
            case StreamReset(stream_id=number):
                self._end(number, ConnectionError(f"reset: {event.error_code}"))
            case _:
                pass  # settings, windows, pings: h2 answers them itself

    def _end(self, number: int, why: Exception | None) -> None:
        stream = self._streams.get(number)
        if stream is None:
            return
        stream.is_over = True
        if stream.ended.done():
            return
        if why is None:
            stream.ended.set_result(None)
        elif isinstance(why, OSError):
            stream.ended.set_exception(Broken(str(why), has_begun=bool(stream.head)))
        else:
            stream.ended.set_exception(why)
