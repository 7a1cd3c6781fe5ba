"""A caller's way through the proxy to a provider's host, with HTTP/2 in it."""

import socket
import ssl
from urllib.parse import urlsplit

from tests.proxy.conftest import Proxy
from tests.sockets import head_of


def http2_tunnel(proxy: Proxy, host: str) -> ssl.SSLSocket:
    target = urlsplit(proxy.url)
    assert target.hostname and target.port
    raw = socket.create_connection((target.hostname, target.port), timeout=60)
    raw.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
    assert head_of(raw).startswith(b"HTTP/1.1 200")
    context = ssl.create_default_context(cafile=str(proxy.ca))
    context.set_alpn_protocols(["h2"])
    return context.wrap_socket(raw, server_hostname=host)
