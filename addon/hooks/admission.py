"""Which key a request brings. A key admits the one request, or the CONNECT, that brought it, and what is inside that tunnel as
long as the key is valid; never a connection."""

from mitmproxy import http

from addon.calls.connection import ClientConnection
from addon.calls.marks import ADMITTED
from addon.config import controls, proxy_url
from addon.hooks.services import Services
from addon.ids import keyed_hash
from addon.routing.access import holder, why_no_call


def introduce(flow: http.HTTPFlow, caller: ClientConnection, services: Services) -> None:
    """What the user and password of the proxy URL say: a project's name, a key."""
    sent = flow.request.headers.get(controls.PROXY_AUTHORIZATION)
    if sent is None:
        return
    if label := proxy_url.project_label(sent):
        caller.project = label
    password, keys = proxy_url.proxy_password(sent), services.settings.keys
    if not (password and keys):
        return
    if key := holder(keys, password):
        flow.metadata[ADMITTED] = (key.hash, keyed_hash(services.secret, password))
    elif password != proxy_url.NO_KEY:
        caller.sent_unknown_key = True  # so that what comes through its tunnel is told


def may_call(flow: http.HTTPFlow, services: Services) -> bool:
    """Whether the request brings a key that may call, itself or by the tunnel that it is in."""
    keys = services.settings.keys
    if not keys:
        return True
    by_header = holder(keys, flow.request.headers.get(controls.AUTH))
    by_proxy_url, _ = flow.metadata.get(ADMITTED, (None, None))
    return any("proxy" in key.roles for key in keys if key is by_header or key.hash == by_proxy_url)


def why_not(flow: http.HTTPFlow, caller: ClientConnection, services: Services) -> str:
    """Why a request that may not call is refused."""
    keys, by_header = services.settings.keys, flow.request.headers.get(controls.AUTH)
    by_proxy_url, _ = flow.metadata.get(ADMITTED, (None, None))
    held = holder(keys, by_header) or next((key for key in keys if key.hash == by_proxy_url), None)
    return why_no_call(held, bool(by_header) or caller.sent_unknown_key)


def key_hash(flow: http.HTTPFlow) -> str | None:
    """The hash, for rows, of the key in the proxy URL."""
    admitted: tuple[str, str] | None = flow.metadata.get(ADMITTED)
    return admitted[1] if admitted else None
