"""Points a request at its upstream."""

from mitmproxy import http

from addon.hooks.proxy import Proxy
from addon.hooks.services import Services
from addon.routing.addresses import is_loopback
from addon.routing.router import Route


def send_to(proxy: Proxy, services: Services, flow: http.HTTPFlow, route: Route) -> None:
    """What is right already is not touched, so that it keeps its bytes. A request with other headers than it came with has
    lost its `Host`."""
    request, upstream = flow.request, route.upstream
    goes_to = request.scheme, request.host.lower(), request.port
    if goes_to != (upstream.scheme, upstream.host, upstream.port) or not request.host_header:
        request.scheme = upstream.scheme
        request.data.host, request.data.port = upstream.host, upstream.port  # the setters write the header twice
        request.host_header = upstream.authority
    if request.path != route.path:
        request.path = route.path
    if services.via and not is_loopback(upstream.host):
        flow.server_conn.via = services.via
    if route.named_by and not proxy.alone:
        proxy.connections.of(flow.client_conn).named_targets[upstream.host, upstream.port] = route.named_by
