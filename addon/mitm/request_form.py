"""In which form a request came, which mitmproxy no longer shows once it has worked out the destination."""

from mitmproxy import http

from addon.routing.addresses import is_loopback


def is_sent_to_us(request: http.Request, here: tuple[str, int]) -> bool:
    """Origin-form, or our own address named in full: a base_url that points here, in a shell whose HTTP_PROXY does, too.
    HTTP/2 has no origin-form; there the port that is asked for tells. `here` is where the connection was accepted."""
    if not request.host:
        return True
    host = request.host.lower()
    return request.port == here[1] and (request.is_http2 or host == here[0] or is_loopback(host))
