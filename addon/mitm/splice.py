"""The short way of a piece: from a provider's HTTP/1.1 connection to the caller's, beside mitmproxy's layers.

On the layers' way a piece becomes five events and crosses a dozen generators. In the middle of an answer that is sent in
chunks on both sides nothing is decided there: the piece passes the answer's stream function (the copy, the hidden usage)
and goes out. So data that is whole chunks takes the short way. The head, the end, parts of chunks and everything odd take
the layers' way; between two chunks no layer remembers anything, so one can follow the other.
"""

from mitmproxy.connection import Connection, ConnectionState
from mitmproxy.proxy.layers.http import HttpLayer
from mitmproxy.proxy.layers.http._http1 import Http1Client

from addon.mitm.base_stream import BaseStream
from addon.mitm.chunks import BodyReader, chunk, plain_chunks


def spliced(provider: Http1Client, layer: HttpLayer, data: bytes) -> bytes | None:
    """What the caller is sent for this data from its provider; None: the data has to take the layers' way."""
    if provider.state != provider.read_body or provider.buf or not data.endswith(b"\r\n"):
        return None
    reader, stream = provider.body_reader, layer.streams.get(provider.stream_id or 0)
    if not (isinstance(reader, BodyReader) and reader.is_between_chunks):
        return None
    if not (isinstance(stream, BaseStream) and stream.is_passing_on):
        return None
    caller = layer.connections[layer.context.client]
    if not (getattr(caller, "sends_chunks", False) and can_write(layer.context.client)):
        return None
    piece, end = plain_chunks(data)
    if not piece or end != len(data):
        return None
    passed = stream.pass_on(piece)
    if passed is piece:
        return data  # as the provider framed it
    return b"".join(chunk(each) for each in ([passed] if isinstance(passed, bytes) else passed) if each)


def can_write(connection: Connection) -> bool:
    """Asked for each piece: nearly all are open, and combining two flags takes a microsecond."""
    return connection.state is ConnectionState.OPEN or bool(connection.state & ConnectionState.CAN_WRITE)
