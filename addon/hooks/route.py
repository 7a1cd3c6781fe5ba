"""Routing: sends each request where it belongs, and takes off the headers that are for us alone. Acts on what `routing/`
decides; a request for a known operation becomes a call here."""

import logging
from collections.abc import Collection
from urllib.parse import parse_qs, urlsplit

from mitmproxy import http
from mitmproxy.proxy.mode_specs import RegularMode, ReverseMode, UpstreamMode

from addon.calls.answers import answer_now, error_answer, refusal
from addon.calls.call import Call
from addon.calls.connection import ClientConnection
from addon.calls.marks import ASKED_HOST, ENDPOINT, OWN
from addon.calls.open_socket import Socket
from addon.calls.own_headers import take_off
from addon.calls.parts import Asked, Attempts
from addon.config import controls, kept_headers
from addon.config.controls import Controls, credential_for, parse_controls
from addon.hooks.admission import introduce, key_hash, may_call, why_not
from addon.hooks.fallback import sent_headers
from addon.hooks.known_heads import Key, KnownHead, KnownHeads
from addon.hooks.proxy import Proxy
from addon.hooks.send_to import send_to
from addon.hooks.services import Services
from addon.ids import keyed_hash, uuid7
from addon.routing.browsers import Hosts
from addon.routing.method_override import other_methods
from addon.routing.operation_path import Classified, classify
from addon.routing.router import (
    AMBIGUOUS,
    Arrival,
    Endpoint,
    Named,
    Refusal,
    Route,
    Tunnel,
    is_helicone,
    path_of,
    without_secrets,
)
from addon.sending.fallbacks import Fallbacks
from addon.sending.timeouts import call_timeouts
from addon.storage.journal_lines import CallStart

logger = logging.getLogger(__name__)

Decision = Route | Refusal | Endpoint | Tunnel


class Routing:
    def __init__(self, proxy: Proxy, services: Services) -> None:
        self.proxy, self.services = proxy, services
        self._heads = KnownHeads(proxy, services)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        self.proxy.connections.of(flow.client_conn).requests += 1
        if flow.response or flow.error:
            return  # an earlier addon, or mitmproxy itself, has answered
        try:
            self._route(flow)
        except Exception:  # a bug of ours: the call goes on unmeasured, unless somebody relies on our limits
            logger.exception("heliograph: a request to %s was not understood", flow.request.host)
            take_off(flow.request.headers)
            if flow.metadata.get(OWN) or self.services.settings.is_strict:
                failed = refusal(flow, 500, "heliograph_error", "heliograph could not route this request")
                answer_now(flow, failed)

    def _route(self, flow: http.HTTPFlow) -> None:
        caller = self.proxy.connections.of(flow.client_conn)
        introduce(flow, caller, self.services)
        key = self._heads.key(flow, caller)
        if known := self._heads.get(key):
            take_off(flow.request.headers)
            send_to(self.proxy, self.services, flow, known.route)
            start = self._heads.start_again(known, flow.request, uuid7(), _started_at_us(flow.request))
            self._begin(flow, _call(caller, known, start))
            return
        decision = self._decide(flow, None)
        if isinstance(decision, Endpoint):  # asks for its own roles
            flow.request.headers.pop(controls.PROXY_AUTHORIZATION, None)
            flow.metadata[ENDPOINT] = decision.path
        elif not may_call(flow, self.services):  # before anything of the caller's is parsed
            answer_now(flow, _key_needed(decision, why_not(flow, caller, self.services)))
        elif isinstance(decision, Tunnel):
            self.proxy.note_host(flow.request.host, False)
            take_off(flow.request.headers)
            flow.request.stream = True
        else:
            self._route_call(flow, caller, decision, key)

    def _route_call(self, flow: http.HTTPFlow, caller: ClientConnection, decision: Decision, key: Key | None) -> None:
        wishes = parse_controls(flow.request.headers.items(multi=True))
        if wishes.target_url or wishes.openai_api_base or wishes.fallbacks:
            decision = self._decide(flow, wishes)
        decision, targets = self._with_fallbacks(decision, wishes)
        take_off(flow.request.headers)
        if isinstance(decision, Route):
            self._send(flow, caller, decision, targets, wishes, key)
        elif isinstance(decision, Refusal):
            refused = refusal(flow, decision.status, decision.error_type, decision.message)
            if wishes.warnings:
                refused.headers[controls.WARNING] = "; ".join(wishes.warnings)
            answer_now(flow, refused)

    def _send(
        self,
        flow: http.HTTPFlow,
        caller: ClientConnection,
        route: Route,
        targets: list[Route],
        wishes: Controls,
        key: Key | None,
    ) -> None:
        came, fallbacks = flow.request.headers.fields, wishes.fallbacks
        if fallbacks:
            _replace_headers(flow.request, fallbacks)
        send_to(self.proxy, self.services, flow, route)
        path, _, query = route.path.partition("?")
        others = other_methods(flow.request.method, flow.request.headers.fields, query)
        classified = classify(route.provider, flow.request.method, path, route.host, others)
        if classified.is_ambiguous and self.services.settings.is_strict:
            refused = error_answer(route.provider, AMBIGUOUS.status, AMBIGUOUS.error_type, AMBIGUOUS.message)
            answer_now(flow, refused)
            return
        found = classified.found
        if found and found[0].socket and _asks_for_socket(flow.request):
            start = self._start(flow, caller, route, classified, wishes)
            start.path_model = _model_of_query(route.path)
            self.proxy.sockets[flow.id] = Socket(
                id=start.request_id,
                caller=caller,
                asked=Asked(controls=wishes, start=start, timeouts=self.services.settings.timeouts),
                route=route,
                operation=found[0],
                protocol=found[0].socket,
            )
        if found is None or found[0].socket:
            self.proxy.counts.passed += 1
            flow.request.stream = True
            return
        timeouts = call_timeouts(self.services.settings.timeouts, wishes.timeouts, wishes.increase_timeout)
        start = self._start(flow, caller, route, classified, wishes)
        head = KnownHead(route=route, operation=found[0], controls=wishes, timeouts=timeouts, start=start)
        call = _call(caller, head, start)
        if fallbacks:
            call.attempts.fallbacks, call.attempts.targets = fallbacks, targets
            call.attempts.fallback_index, call.attempts.came_headers = fallbacks.first, came
        elif not found[0].is_two_way:
            self._heads.keep(key, head)
        self._begin(flow, call)

    def _begin(self, flow: http.HTTPFlow, call: Call) -> None:
        if call.attempts.operation.is_two_way:
            flow.request.stream = True
            self.proxy.two_way[flow.id] = call
            return
        self.proxy.counts.seen += 1
        self.proxy.calls.begin(call, flow.id)

    def _with_fallbacks(self, decision: Decision, wishes: Controls) -> tuple[Decision, list[Route]]:
        """The first of the targets that the header names takes the place of the one that was called."""
        if not (wishes.fallbacks and isinstance(decision, Route)):
            return decision, []
        header = controls.spelled(controls.FALLBACKS)
        routes = self.services.router.to_fallbacks(wishes.fallbacks, decision, header, alone=self.proxy.alone)
        return (routes, []) if isinstance(routes, Refusal) else (routes[0], routes)

    def _decide(self, flow: http.HTTPFlow, wishes: Controls | None) -> Decision:
        """Where the request goes. Without `wishes` headers that name a target count as left out."""
        request = flow.request
        arrival = Arrival(
            scheme=request.scheme,
            host=request.host.lower(),
            port=request.port,
            path=request.path,
            own=flow.metadata.get(OWN, False),
            target=_target(wishes) if wishes else None,
            openai_base=_openai_base(wishes) if wishes else None,
            alone=self.proxy.alone,
            under_our_name=bool(self.services.settings.keys) or is_under_our_name(flow, self.services.settings.hosts),
        )
        if isinstance(flow.client_conn.proxy_mode, RegularMode | UpstreamMode):
            return self.services.router.route(arrival)
        return self.services.router.route_mode(arrival)

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """What is not a call passes in both directions and is kept nowhere."""
        if flow.response and self.proxy.calls.of(flow.id) is None and flow.response.status_code != 101:
            flow.response.stream = True

    def _start(
        self,
        flow: http.HTTPFlow,
        caller: ClientConnection,
        route: Route,
        classified: Classified,
        wishes: Controls,
    ) -> CallStart:
        assert classified.found
        operation, path_model = classified.found
        request, secret = flow.request, self.services.secret
        properties, credential = wishes.properties, credential_for(route.provider.name, wishes, route.path)
        if caller.project:
            properties = {"project": caller.project, **properties}
        return CallStart(
            request_id=wishes.request_id or uuid7(),
            started_at_us=_started_at_us(request),
            provider_name=route.provider.name,
            operation_name=operation.name,
            method=request.method,
            host=route.host,
            path=without_secrets(classified.path + route.path[len(path_of(route.path)) :]),
            mode="reverse" if came_reverse(flow) else "forward",
            path_model=path_model,
            content_type=request.headers.get("content-type"),
            content_encoding=request.headers.get("content-encoding"),
            user_id=wishes.user_id,
            session_id=wishes.session_id,
            session_path=wishes.session_path,
            session_name=wishes.session_name,
            sub_agent=wishes.sub_agent,
            properties=properties,
            prompt_id=wishes.prompt_id,
            model_override=wishes.model_override,
            omit_request=wishes.omit_request,
            omit_response=wishes.omit_response,
            api_key_hash=keyed_hash(secret, credential) if credential else None,
            helicone_key_hash=(keyed_hash(secret, wishes.helicone_auth) if wishes.helicone_auth else key_hash(flow)),
            client=wishes.client,
            paid_by_plan=credential is not None and credential.lower().startswith(route.provider.plan_credentials),
            headers=kept_headers.of_request(request.headers.fields),
        )


def _call(caller: ClientConnection, head: KnownHead, start: CallStart) -> Call:
    return Call(
        id=uuid7() if head.controls.request_id else start.request_id,
        connection=caller,
        asked=Asked(controls=head.controls, start=start, timeouts=head.timeouts),
        attempts=Attempts(route=head.route, operation=head.operation),
    )


def _started_at_us(request: http.Request) -> int:
    return int(request.timestamp_start * 1_000_000)


def _key_needed(decision: Decision, why: str) -> http.Response:
    if isinstance(decision, Tunnel):
        return proxy_key_needed(why)
    return error_answer(decision.provider if isinstance(decision, Route) else None, 401, "heliograph_unauthorized", why)


def is_under_our_name(flow: http.HTTPFlow, names: Collection[str]) -> bool:
    """Whether every host that the request names (its target, its Host header) is a name of ours."""
    asked = asked_host(flow)
    own, here = Hosts(names), flow.client_conn.sockname[0]
    named = {asked} if isinstance(flow.client_conn.proxy_mode, ReverseMode) else {asked, flow.request.host}
    return all(own.is_ours(host, here) or is_helicone(host.lower()) for host in named)


def asked_host(flow: http.HTTPFlow) -> str:
    """The host that the caller named, without its port."""
    asked = str(flow.metadata.get(ASKED_HOST, flow.request.host))
    host, _, port = asked.rpartition(":")
    return (host if host and port.isdigit() else asked).strip("[]")


def proxy_key_needed(why: str) -> http.Response:
    """For a caller that wants to go through us to somewhere else: a key is asked for as proxies do."""
    response = error_answer(None, 407, "heliograph_unauthorized", why)
    response.headers["proxy-authenticate"] = 'Basic realm="heliograph"'
    return response


def _asks_for_socket(request: http.Request) -> bool:
    return str(request.headers.get("upgrade", "")).lower() == "websocket"


def _model_of_query(path: str) -> str | None:
    """Realtime sessions name their model there; Azure's older ones a deployment."""
    named = parse_qs(urlsplit(path).query)
    return next((named[name][0] for name in ("model", "deployment") if named.get(name)), None)


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
