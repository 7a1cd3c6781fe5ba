"""How HTTP/1 answers of a provider are read."""

from mitmproxy.options import Options
from mitmproxy.proxy import events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http._base import ReceiveHttp
from mitmproxy.proxy.layers.http._events import RequestEndOfMessage, RequestHeaders
from mitmproxy.test import tflow, tutils

from addon.mitm.http1 import PatientHttp1Client, mend

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def asked() -> PatientHttp1Client:
    """A connection to a provider on which a request was sent."""
    mend()
    context = Context(tflow.tclient_conn(), Options())
    context.server = tflow.tserver_conn()
    client = PatientHttp1Client(context)
    list(client.handle_event(events.Start()))
    list(client.handle_event(RequestHeaders(1, tutils.treq(), end_stream=True)))
    list(client.handle_event(RequestEndOfMessage(1)))
    return client


def received(client: PatientHttp1Client, data: bytes) -> list[object]:
    """The pieces of the body that one read brings; other events by their names."""
    commands = client.handle_event(events.DataReceived(client.conn, data))
    found = [command.event for command in commands if isinstance(command, ReceiveHttp)]
    return [getattr(event, "data", type(event).__name__) for event in found]


def test_chunks_that_come_together_are_one_piece() -> None:
    assert received(asked(), HEAD + b"2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n") == [
        "ResponseHeaders",
        b"abcd",
        "ResponseEndOfMessage",
    ]


def test_chunks_that_come_one_by_one_go_on_one_by_one() -> None:
    client = asked()
    assert received(client, HEAD + b"2\r\nab\r\n") == ["ResponseHeaders", b"ab"]
    assert received(client, b"2\r\ncd\r\n2\r") == [b"cd"]
    assert received(client, b"\nef\r\n0\r\n\r\n") == [b"ef", "ResponseEndOfMessage"]
