"""Routing: sends each request where it belongs, and takes off the headers that are for us alone. Acts on what `routing/`
decides; a request for a known operation becomes a call here."""

import logging
from typing import Final

from mitmproxy import http
from mitmproxy.proxy.mode_specs import RegularMode, ReverseMode, UpstreamMode

from addon.config import controls
from addon.config.controls import Controls, credential_for, parse_controls
from addon.hooks.answers import error_answer
from addon.hooks.call import Asked, Attempts, Call
from addon.hooks.connection import ClientConnection
from addon.hooks.fallback import sent_headers
from addon.hooks.marks import ENDPOINT, OWN
from addon.hooks.proxy import Proxy
from addon.hooks.send_to import send_to, take_off
from addon.hooks.services import Services
from addon.ids import keyed_hash, uuid7
from addon.providers import registry
from addon.routing.access import may_call
from addon.routing.router import Arrival, Endpoint, Named, Refusal, Route, Tunnel, path_of, without_secrets
from addon.sending.fallbacks import Fallbacks
from addon.sending.timeouts import call_timeouts
from addon.storage.journal_lines import CallStart

logger = logging.getLogger(__name__)

_NEEDS_KEY: Final = (
    "this heliograph asks for a key: send Helicone-Auth: Bearer KEY, or put it into the proxy URL as its password; "
    "`heliograph keys add NAME` makes one"
)


class Routing:
    def __init__(self, proxy: Proxy, services: Services) -> None:
        self.proxy, self.services = proxy, services

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if flow.response or flow.error:
            return  # an earlier addon, or mitmproxy itself, has answered
        try:
            self._route(flow)
        except Exception:  # a bug of ours: the call goes on unmeasured, and still without our headers
            logger.exception("heliograph: a request to %s was not understood", flow.request.host)
            take_off(flow.request.headers)
            if flow.metadata.get(OWN):
                flow.response = error_answer(None, 500, "heliograph_error", "heliograph could not route this request")

    def _route(self, flow: http.HTTPFlow) -> None:
        wishes, keys = parse_controls(flow.request.headers.items(multi=True)), self.services.settings.keys
        decision, targets = self._with_fallbacks(self._decide(flow, wishes), wishes)
        caller = self.proxy.connections.of(flow.client_conn)
        caller.introduce(keys, self.services.secret, flow.request.headers.get(controls.PROXY_AUTHORIZATION))
        if isinstance(decision, Tunnel):
            flow.request.headers.pop(controls.PROXY_AUTHORIZATION, None)
            if keys and not caller.is_admitted:
                flow.response = proxy_key_needed()
            else:
                flow.request.stream = True
            return
        if isinstance(decision, Endpoint):
            flow.request.headers.pop(controls.PROXY_AUTHORIZATION, None)
            flow.metadata[ENDPOINT] = decision.path
            return
        take_off(flow.request.headers)
        if isinstance(decision, Refusal):
            flow.response = error_answer(None, decision.status, decision.error_type, decision.message)
            if wishes.warnings:
                flow.response.headers[controls.WARNING] = "; ".join(wishes.warnings)
        elif not (caller.is_admitted or may_call(keys, wishes.helicone_auth)):
            flow.response = error_answer(decision.provider, 401, "heliograph_unauthorized", _NEEDS_KEY)
        else:
            self._send(flow, caller, decision, targets, wishes)

    def _send(
        self, flow: http.HTTPFlow, caller: ClientConnection, route: Route, targets: list[Route], wishes: Controls
    ) -> None:
        came, fallbacks = flow.request.headers.fields, wishes.fallbacks
        if fallbacks:
            _replace_headers(flow.request, fallbacks)
        send_to(self.proxy, self.services, flow, route)
        found = registry.operation(route.provider, flow.request.method, path_of(route.path), route.host)
        if found is None:
            self.proxy.counts.passed += 1
            flow.request.stream = True
            return
        operation, model = found
        self.proxy.counts.seen += 1
        usual = self.services.settings.timeouts
        call = Call(
            id=uuid7(),
            connection=caller,
            asked=Asked(
                controls=wishes,
                start=self._start(flow, caller, route, operation.name, model, wishes),
                timeouts=call_timeouts(usual, wishes.timeouts, wishes.increase_timeout),
            ),
            attempts=Attempts(
                route=route,
                operation=operation,
                fallbacks=fallbacks,
                targets=targets,
                fallback_index=fallbacks.first if fallbacks else None,
                came_headers=came if targets else (),
            ),
        )
        self.proxy.calls.begin(call, flow.id)

    def _with_fallbacks(
        self, decision: Route | Refusal | Endpoint | Tunnel, wishes: Controls
    ) -> tuple[Route | Refusal | Endpoint | Tunnel, list[Route]]:
        """The first of the targets that the header names takes the place of the one that was called."""
        if not (wishes.fallbacks and isinstance(decision, Route)):
            return decision, []
        header = controls.spelled(controls.FALLBACKS)
        routes = self.services.router.to_fallbacks(wishes.fallbacks, decision, header, alone=self.proxy.alone)
        return (routes, []) if isinstance(routes, Refusal) else (routes[0], routes)

    def _decide(self, flow: http.HTTPFlow, wishes: Controls) -> Route | Refusal | Endpoint | Tunnel:
        request = flow.request
        arrival = Arrival(
            scheme=request.scheme,
            host=request.host.lower(),
            port=request.port,
            path=request.path,
            own=flow.metadata.get(OWN, False),
            target=_target(wishes),
            openai_base=_openai_base(wishes),
            alone=self.proxy.alone,
        )
        if isinstance(flow.client_conn.proxy_mode, RegularMode | UpstreamMode):
            return self.services.router.route(arrival)
        return self.services.router.route_mode(arrival)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """What is not a call passes in both directions and is kept nowhere."""
        if flow.response and self.proxy.calls.of(flow.id) is None and flow.response.status_code != 101:
            flow.response.stream = True

    def websocket_message(self, flow: http.HTTPFlow) -> None:
        """mitmproxy keeps every message until the socket closes; a socket may be open for days."""
        if flow.websocket:
            del flow.websocket.messages[:-1]

    def _start(
        self,
        flow: http.HTTPFlow,
        caller: ClientConnection,
        route: Route,
        operation_name: str,
        path_model: str | None,
        wishes: Controls,
    ) -> CallStart:
        request, secret = flow.request, self.services.secret
        properties, credential = wishes.properties, credential_for(route.provider.name, wishes, route.path)
        if caller.project:
            properties = {"project": caller.project, **properties}
        return CallStart(
            request_id=wishes.request_id or uuid7(),
            started_at_us=int(request.timestamp_start * 1_000_000),
            provider_name=route.provider.name,
            operation_name=operation_name,
            method=request.method,
            host=route.host,
            path=without_secrets(route.path),
            mode="reverse" if came_reverse(flow) else "forward",
            path_model=path_model,
            content_type=request.headers.get("content-type"),
            content_encoding=request.headers.get("content-encoding"),
            user_id=wishes.user_id,
            session_id=wishes.session_id,
            session_path=wishes.session_path,
            session_name=wishes.session_name,
            properties=properties,
            prompt_id=wishes.prompt_id,
            model_override=wishes.model_override,
            omit_request=wishes.omit_request,
            omit_response=wishes.omit_response,
            api_key_hash=keyed_hash(secret, credential) if credential else None,
            helicone_key_hash=(
                keyed_hash(secret, wishes.helicone_auth) if wishes.helicone_auth else caller.admitted_key_hash
            ),
            client=wishes.client,
        )


def proxy_key_needed() -> http.Response:
    """For a caller that wants to go through us to somewhere else: a key is asked for as proxies do."""
    response = error_answer(None, 407, "heliograph_unauthorized", _NEEDS_KEY)
    response.headers["proxy-authenticate"] = 'Basic realm="heliograph"'
    return response


def _target(wishes: Controls) -> Named | None:
    """The gateway's target by headers. With fallbacks it is the first of them, whatever else is named."""
    if wishes.fallbacks:
        return Named(wishes.fallbacks.entries[0].origin or "", controls.spelled(controls.FALLBACKS))
    if wishes.openai_api_base:
        return _openai_base(wishes)
    return Named(wishes.target_url, controls.spelled(controls.TARGET_URL)) if wishes.target_url else None


def _openai_base(wishes: Controls) -> Named | None:
    if wishes.fallbacks or not wishes.openai_api_base:
        return None
    return Named(wishes.openai_api_base, controls.spelled(controls.OPENAI_API_BASE), may_have_path=True)


def _replace_headers(request: http.Request, fallbacks: Fallbacks) -> None:
    """What goes to the first target. mitmproxy answers an `Expect` itself, and takes it off."""
    expect = request.headers.get("expect")
    request.headers.fields = sent_headers(request.headers.fields, fallbacks.entries[0], fallbacks)
    if expect:
        request.headers["expect"] = expect


def came_reverse(flow: http.HTTPFlow) -> bool:
    """By base_url (sent to us as to a server) or by one of mitmproxy's reverse modes."""
    return bool(flow.metadata.get(OWN)) or isinstance(flow.client_conn.proxy_mode, ReverseMode)
