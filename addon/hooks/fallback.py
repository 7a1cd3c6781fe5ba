"""Fallbacks, other targets for a call whose own fails: acts on what `sending/fallbacks.py` decides.

The header `Helicone-Fallbacks` names all targets and all that is sent to each, so that the first takes the place of the
one that was called. Rules of the config come after the one that was called; its key goes to no other provider.
"""

from collections.abc import Awaitable
from typing import Final

from mitmproxy import connection, http

from addon.calls.call import Call, Calls
from addon.calls.own_headers import take_off
from addon.calls.parts import Fields
from addon.hooks.ask_usage import ask_usage
from addon.hooks.proxy import Proxy
from addon.hooks.request_body import read_body
from addon.hooks.send_to import send_to
from addon.hooks.services import Services
from addon.metering.reading import decode, request_facts
from addon.providers import registry
from addon.routing.router import Refusal, path_of
from addon.sending import fallbacks as rules
from addon.sending.fallbacks import Fallbacks, find_fallbacks, overridden_body

# Headers of the body and of the connection, not of a target.
_FRAMING: Final = frozenset({"content-encoding", "content-length", "transfer-encoding"})
# RFC 9110, 7.6.1, and what mitmproxy sets itself.
_NOT_A_TARGETS: Final = _FRAMING | {
    *("connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade", "host", "expect"),
}
# What of the caller's headers goes to a different provider, beside those of the body: nothing that may be a credential, an
# account, or a gateway's own.
_FOR_ANYBODY: Final = frozenset(
    {
        *("content-type", "accept", "accept-encoding", "accept-language", "user-agent"),
        *("anthropic-version", "anthropic-beta", "openai-beta", "traceparent", "tracestate"),
    }
)


class Fallback:
    """Finds the other targets of a call; from here on its failures are held back."""

    def __init__(self, proxy: Proxy, services: Services) -> None:
        self.proxy, self.services = proxy, services

    def request(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        call = self.proxy.calls.of(flow.id)
        if call is None or flow.response or not (call.attempts.fallbacks or self.services.fallbacks):
            return None
        return self._hold(flow, call)

    async def _hold(self, flow: http.HTTPFlow, call: Call) -> None:
        if call.attempts.fallbacks is None:
            await self._find(flow, call)
        if call.attempts.fallbacks:
            call.attempts.came_body = flow.request.raw_content or b""
            call.attempts.hold = call.attempts.fallbacks.codes

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """The target that answered the identical call that this one follows answered this one."""
        call = self.proxy.calls.of(flow.id)
        if call and call.sharing.follows:
            mine, leaders = call.attempts, call.sharing.follows.call.attempts
            mine.route, mine.operation = leaders.route, leaders.operation
            mine.fallback_index, mine.overrides = leaders.fallback_index, leaders.overrides

    async def _find(self, flow: http.HTTPFlow, call: Call) -> None:
        """What the config has for the call's model."""
        encoding = call.asked.start.content_encoding
        facts = await read_body(
            lambda body: request_facts(decode(body, encoding)[0]), flow.request.raw_content or b"", encoding
        )
        found = find_fallbacks(self.services.fallbacks, facts.model or call.asked.start.path_model)
        if found is None:
            return
        router = self.services.router
        routes = router.to_fallbacks(found, call.attempts.route, None, alone=self.proxy.alone)
        if isinstance(routes, Refusal):
            call.warnings.append(f"[[fallbacks]]: {routes.message}; fallbacks are off")
            return
        call.attempts.fallbacks, call.attempts.targets = found, routes
        call.attempts.came_headers = flow.request.headers.fields


class OverrideBody:
    """Sets in the body what the first target is to get in place of the caller's; the journal has the caller's by now, and
    the cache key knows of the change."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls

    def request(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        call = self.calls.of(flow.id)
        if call is None or flow.response or call.sharing.reference:
            return None
        fallbacks, index = call.attempts.fallbacks, call.attempts.fallback_index
        return _override(flow, call, fallbacks.entries[index]) if fallbacks and index is not None else None


async def move_on(proxy: Proxy, services: Services, flow: http.HTTPFlow, call: Call, status: int | None) -> bool:
    """Make the request one for the next target, if there is one for what the last attempt ended with."""
    attempts, fallbacks = call.attempts, call.attempts.fallbacks
    index = fallbacks.after(attempts.fallback_index, status) if fallbacks else None
    if index is None or fallbacks is None:
        return False
    fallback, route = fallbacks.entries[index], attempts.targets[index]
    attempts.route, attempts.fallback_index = route, index
    if found := registry.operation(route.provider, flow.request.method, path_of(route.path)):
        attempts.operation = found[0]
    flow.request.headers.fields = sent_headers(attempts.came_headers, fallback, fallbacks)
    flow.request.raw_content = attempts.came_body
    await _override(flow, call, fallback)
    await ask_usage(flow, call, services.settings.inject_usage)
    before = flow.server_conn.via  # of an open connection it cannot be changed; that of an upstream mode is for all
    flow.server_conn = connection.Server(address=None, via=None if before == services.via else before)
    send_to(proxy, services, flow, route)
    return True


async def _override(flow: http.HTTPFlow, call: Call, fallback: rules.Fallback) -> None:
    call.attempts.overrides = {}
    if not fallback.body:
        return
    encoding = flow.request.headers.get("content-encoding")
    try:
        body = await read_body(
            lambda body: overridden_body(body, encoding, fallback.body), flow.request.raw_content or b"", encoding
        )
    except ValueError:
        call.warnings.append("fallbacks: the body is not a JSON object, so nothing was set in it for the other target")
        return
    flow.request.headers.pop("content-encoding", None)
    flow.request.content = body
    call.attempts.overrides = fallback.body


def sent_headers(came: Fields, fallback: rules.Fallback, fallbacks: Fallbacks) -> Fields:
    """What a target is sent, made from what the caller sent. By header: what the entry says, and the headers of the body.
    By config: the caller's, without credentials where the provider is another one, with the rule's own on top."""
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
            is_kept = fallback.origin is None or known in _FRAMING or known in _FOR_ANYBODY
        else:
            is_kept = known in _FRAMING or known == "content-type"
        if is_kept:
            kept.append((name, value))
    headers = http.Headers((*kept, *own))
    take_off(headers)
    return headers.fields
