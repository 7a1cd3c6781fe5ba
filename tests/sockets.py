"""What a peer sends, in however many pieces it comes: no test takes one `recv` for one message."""

import socket


def read_until(peer: socket.socket, text: bytes) -> bytes:
    """All that comes until this is among it, and perhaps more."""
    received = b""
    while text not in received:
        more = peer.recv(65536)
        assert more, f"the peer closed the connection after {received!r}"
        received += more
    return received


def head_of(peer: socket.socket) -> bytes:
    """The head of an HTTP answer, up to its end and no further."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        more = peer.recv(1)
        assert more, f"the peer closed the connection after {head!r}"
        head += more
    return head
