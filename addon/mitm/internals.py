"""Which of mitmproxy's internals we rely on, and which of them this version does not have (read on 12.2.3).

mitmproxy has no public seam for what `stream.py` and `http1.py` do. What is missing is said at start-up and by `heliograph
doctor`; then the proxy runs plain: no JSON errors, timeouts, retries or shared calls.
"""

from typing import Final

from mitmproxy.proxy.layers.http import HttpLayer, HttpStream
from mitmproxy.proxy.layers.http import _http1 as http1_layers
from mitmproxy.proxy.layers.http._http1 import Http1Client, Http1Server
from mitmproxy.proxy.server import ConnectionHandler

_NEEDED: Final[dict[type, str]] = {
    HttpLayer: "make_stream event_to_child get_connection register_connection",
    HttpStream: "check_invalid check_killed check_body_size handle_protocol_error make_server_connection send_response "
    "start_response_stream handle_connect_regular handle_connect_finish state_uninitialized "
    "state_wait_for_response_headers state_stream_response_body state_done state_errored",
    Http1Server: "send read_headers read_body mark_done",
    Http1Client: "send read_headers read_body mark_done",
    ConnectionHandler: "handle_connection handle_hook",
}


def internals_missing() -> list[str]:
    missing = [
        f"{owner.__name__}.{name}"
        for owner, names in _NEEDED.items()
        for name in names.split()
        if not hasattr(owner, name)
    ]
    for name in ("layer", "transports"):
        if name not in ConnectionHandler.__annotations__:
            missing.append(f"ConnectionHandler.{name}")
    if "_server_event_lock" not in ConnectionHandler.server_event.__code__.co_names:
        missing.append("ConnectionHandler._server_event_lock")
    reader = getattr(http1_layers, "ChunkedReader", None)
    kept = ["_bytes_in_chunk", "_bytes_to_discard", "_reading_trailer"]
    if reader is None or not all(hasattr(reader(), name) for name in kept):
        missing.append("_http1.ChunkedReader")
    return missing
