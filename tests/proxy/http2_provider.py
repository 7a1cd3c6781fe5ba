"""A provider that speaks HTTP/2 only, at the far end of a TLS socket: chat completions, and failures by script."""

import contextlib
import json
import socket
import ssl
import threading
from collections import deque
from pathlib import Path
from typing import Self

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded
from h2.exceptions import ProtocolError

from addon.demo.providers import Received, usual_answer
from tests.localhost_tls import server_tls


class Http2Provider:
    """`script` says how the next requests end: a status, or "reset" for a stream that is reset unanswered."""

    def __init__(self, folder: Path, *script: int | str) -> None:
        self.script = deque(script)
        self.requests: list[Received] = []
        self.connections = 0
        self._tls = server_tls(folder)
        self._tls.set_alpn_protocols(["h2"])
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        for one in (self._server, *self._open):
            with contextlib.suppress(OSError):  # its peer was faster
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._thread.join(5)

    @property
    def url(self) -> str:
        return f"https://localhost:{self._server.getsockname()[1]}"

    def _accept(self) -> None:
        while True:
            try:
                raw, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(raw,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        try:
            with self._tls.wrap_socket(raw, server_side=True) as peer:
                self._open.append(peer)
                with self._lock:
                    self.connections += 1
                self._speak(peer)
        except (OSError, ProtocolError):
            return  # the peer left

    def _speak(self, peer: ssl.SSLSocket) -> None:
        connection = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        connection.initiate_connection()
        peer.sendall(connection.data_to_send())
        heads: dict[int, list[tuple[str, str]]] = {}
        bodies: dict[int, bytes] = {}
        while data := peer.recv(65536):
            for event in connection.receive_data(data):
                if isinstance(event, RequestReceived):
                    heads[event.stream_id] = [(str(name), str(value)) for name, value in event.headers]
                    bodies[event.stream_id] = b""
                elif isinstance(event, DataReceived):
                    bodies[event.stream_id] += event.data
                    connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, StreamEnded):
                    self._answer(connection, event.stream_id, heads[event.stream_id], bodies[event.stream_id])
            peer.sendall(connection.data_to_send())

    def _answer(self, connection: H2Connection, stream: int, head: list[tuple[str, str]], body: bytes) -> None:
        named = dict(head)
        with self._lock:
            self.requests.append(
                Received(method=named[":method"], path=named[":path"], headers=head, body=body, at=0.0)
            )
            how = self.script.popleft() if self.script else 200
        if how == "reset":
            connection.reset_stream(stream)
            return
        answer = usual_answer("POST", named[":path"], body, False, None)
        pieces = answer.pieces if how == 200 else (json.dumps({"error": {"type": "server_error"}}).encode(),)
        content_type = answer.content_type if how == 200 else "application/json"
        connection.send_headers(stream, [(":status", str(how)), ("content-type", content_type)])
        for piece in pieces:
            connection.send_data(stream, piece)
        connection.end_stream(stream)
