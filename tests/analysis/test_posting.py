"""One message to an address: what the sender learns from each kind of receiver."""

import errno
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from analysis.posting import post_json
from tests.ports import closed_port

BODY = b'{"text": "down"}'


@contextmanager
def receiver(answer: bytes) -> Iterator[str]:
    """The address of a server that says this to one caller, once it has read the whole message."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            caller, _ = server.accept()
            with caller:
                received = b""
                while not received.endswith(BODY):  # what is left unread would reset the connection at its close
                    more = caller.recv(65536)
                    assert more, received
                    received += more
                caller.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/hook"
        thread.join()


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", None),
        (b"HTTP/1.1 302 Found\r\nlocation: http://elsewhere.invalid/\r\ncontent-length: 0\r\n\r\n", "HTTP 302"),
        (b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n", "HTTP 500"),
        (b"220 mail.example.com \x1b[2JESMTP\r\n", "BadStatusLine: 220 mail.example.com [2JESMTP"),
        (b"", "RemoteDisconnected: Remote end closed connection without response"),
    ],
)
def test_what_a_receiver_said_is_the_answer(answer: bytes, failure: str | None) -> None:
    with receiver(answer) as url:
        assert post_json(url, BODY) == failure


def test_an_address_where_nobody_listens_is_an_answer() -> None:
    with closed_port() as port:
        failure = post_json(f"http://127.0.0.1:{port}/", BODY) or ""
    assert failure.startswith(f"URLError: [Errno {errno.ECONNREFUSED}]")
