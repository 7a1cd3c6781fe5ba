"""In which form a request came, which mitmproxy no longer shows once it has worked out the destination."""

from mitmproxy import http
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HttpStream

from addon.calls.marks import ADMITTED, ASKED_HOST, OWN
from addon.routing.addresses import address_of, is_loopback


def mark_form(flow: http.HTTPFlow, context: Context, is_outermost: bool) -> None:
    """What is known of a new request now and never again. `is_outermost`: it is not inside a tunnel."""
    request = flow.request
    flow.metadata[ASKED_HOST] = request.host_header or request.authority
    flow.metadata[OWN] = is_outermost and is_sent_to_us(request, context.client.sockname)
    if not is_outermost and (admitted := _admitted_by_tunnel(context)):
        flow.metadata[ADMITTED] = admitted


def is_sent_to_us(request: http.Request, here: tuple[str, int]) -> bool:
    """Origin-form, or our own address named in full: a base_url that points here, in a shell whose HTTP_PROXY does, too.
    HTTP/2 has no origin-form; there the port that is asked for tells. `here` is where the connection was accepted."""
    return not request.host or (request.port == here[1] and (request.is_http2 or names_us(request.host, here[0])))


def names_us(host: str, here: str) -> bool:
    """Whether a host, however it is spelled, is this machine or the address where the connection was accepted."""
    address = address_of(host)
    return is_loopback(host) or (address is not None and (address.is_unspecified or address == address_of(here)))


def _admitted_by_tunnel(context: Context) -> object:
    """The key that the CONNECT brought in which the request is."""
    tunnels = [layer for layer in context.layers[:-1] if isinstance(layer, HttpStream)]
    return tunnels[-1].flow.metadata.get(ADMITTED) if tunnels else None
