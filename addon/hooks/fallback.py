"""Other targets for a call whose own fails: acts on what `sending/fallbacks.py` decides.

The header `Helicone-Fallbacks` names all targets and all that is sent to each, so that the first takes the place of the
one that was called. Rules of the config come after the one that was called; its key goes to no other provider.
"""

from typing import Final

from mitmproxy import connection, http

from addon.config import controls
from addon.hooks.ask_usage import ask_usage
from addon.hooks.call import Call
from addon.hooks.marks import HIDES_USAGE, HOLD
from addon.hooks.proxy import Proxy
from addon.hooks.request_body import read_body
from addon.hooks.send_to import send_to, take_off
from addon.metering.reading import decode, request_facts
from addon.providers import registry
from addon.routing.router import Refusal, path_of
from addon.sending.fallbacks import Fallback, Fallbacks, find_fallbacks, overridden_body

Fields = tuple[tuple[bytes, bytes], ...]

# What belongs to the body and to this connection rather than to a target.
_FRAMING: Final = frozenset({"content-encoding", "content-length", "transfer-encoding"})
# RFC 9110, 7.6.1, and what mitmproxy sees to.
_NOT_A_TARGETS: Final = _FRAMING | {
    *("connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade", "host", "expect"),
}
# What tells a provider who asks: none of it goes to another one.
_WHO: Final = frozenset(
    {*controls.CREDENTIALS, "cookie", "openai-organization", "openai-project", "x-goog-user-project"}
)
_WHO_AWS: Final = "x-amz-"


class FallBack:
    """Which other targets a call has; from here on its failures are held back."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy

    async def request(self, flow: http.HTTPFlow) -> None:
        call = self.proxy.calls.get(flow.id)
        if call is None or flow.response:
            return
        if call.fallbacks is None and self.proxy.fallbacks:
            await self._find(flow, call)
        if call.fallbacks:
            call.came_body = flow.request.raw_content or b""
            flow.metadata[HOLD] = call.fallbacks.codes

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Who answered the identical call that this one follows answered this one."""
        call, flight = self.proxy.calls.get(flow.id), self.proxy.flights.followed_by(flow.id)
        if call and flight:
            call.route, call.operation = flight.call.route, flight.call.operation
            call.fallback_index, call.overrides = flight.call.fallback_index, flight.call.overrides

    async def _find(self, flow: http.HTTPFlow, call: Call) -> None:
        """What the config has for the call's model."""
        encoding = call.start.content_encoding
        facts = await read_body(
            lambda body: request_facts(decode(body, encoding)[0]), flow.request.raw_content or b"", encoding
        )
        found = find_fallbacks(self.proxy.fallbacks, facts.model or call.start.path_model)
        if found is None:
            return
        routes = self.proxy.router.to_fallbacks(found, call.route, None, alone=self.proxy.alone)
        if isinstance(routes, Refusal):
            call.warnings.append(f"[[fallbacks]]: {routes.message}; fallbacks are off")
            return
        call.fallbacks, call.targets = found, routes
        call.came_headers = flow.request.headers.fields


class OverrideBody:
    """Sets in the body what the first target is to get in place of the caller's; the journal has the caller's by now, and
    the cache knows of the change by the key."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy

    async def request(self, flow: http.HTTPFlow) -> None:
        call = self.proxy.calls.get(flow.id)
        if call and call.fallbacks and call.fallback_index is not None and not (flow.response or call.reference):
            await _override(flow, call, call.fallbacks.entries[call.fallback_index])


async def move_on(proxy: Proxy, flow: http.HTTPFlow, call: Call, status: int | None) -> bool:
    """Make the request one for the next target, if there is one for what the last attempt ended with."""
    index = call.fallbacks.after(call.fallback_index, status) if call.fallbacks else None
    if index is None or call.fallbacks is None:
        return False
    fallback, route = call.fallbacks.entries[index], call.targets[index]
    call.route, call.fallback_index = route, index
    if found := registry.operation(route.provider, flow.request.method, path_of(route.path)):
        call.operation = found[0]
    flow.request.headers.fields = sent_headers(call.came_headers, fallback, call.fallbacks)
    flow.request.raw_content = call.came_body
    await _override(flow, call, fallback)
    flow.metadata.pop(HIDES_USAGE, None)
    await ask_usage(proxy, flow, call)
    before = flow.server_conn.via  # of an open connection it cannot be changed; that of an upstream mode is for all
    flow.server_conn = connection.Server(address=None, via=None if before == proxy.via else before)
    send_to(proxy, flow, route)
    return True


async def _override(flow: http.HTTPFlow, call: Call, fallback: Fallback) -> None:
    call.overrides = {}
    if not fallback.body:
        return
    encoding = flow.request.headers.get("content-encoding")
    try:
        body = await read_body(
            lambda body: overridden_body(body, encoding, fallback.body), flow.request.raw_content or b"", encoding
        )
    except ValueError:
        call.warnings.append("fallbacks: the body is no JSON object, so nothing was set in it for the other target")
        return
    flow.request.headers.pop("content-encoding", None)
    flow.request.content = body
    call.overrides = fallback.body


def sent_headers(came: Fields, fallback: Fallback, fallbacks: Fallbacks) -> Fields:
    """What a target is sent, made from what the caller sent. By header it is what the entry says and no more than the
    body's own; by config the caller's, less the key where it is another provider's, with the rule's own on top."""
    own = tuple(
        (name.encode(), value.encode("utf-8", "surrogateescape"))
        for name, value in fallback.headers
        if name.lower() not in _NOT_A_TARGETS
    )
    replaced = {name.lower() for name, _ in own}
    kept = []
    for name, value in came:
        known = name.lower().decode("latin-1")
        if name.lower() in replaced or known in ("host", "expect"):
            continue
        if fallbacks.by_config:
            is_kept = fallback.origin is None or (known not in _WHO and not known.startswith(_WHO_AWS))
        else:
            is_kept = known in _FRAMING or known == "content-type"
        if is_kept:
            kept.append((name, value))
    headers = http.Headers((*kept, *own))
    take_off(headers)
    return headers.fields
