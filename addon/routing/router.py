"""Where a request goes: host, path prefix or host label -> provider and upstream. Pure; the hooks act on the answer.

The four ways in share one port (README, "Ways in"):
1. forward: the request names the provider's own host, or one that the settings name; all others are tunnelled without being opened;
2. by path prefix: /openai/v1/..., /v1/gateway/oai/..., /gateway/... with Helicone-Target-Url;
3. by host label: oai.helicone.ai, or oai.<any domain> that points at us;
4. mitmproxy's own modes: the mode's target is the provider.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from addon.config.mistakes import did_you_mean
from addon.config.upstreams import Origin, origin_of
from addon.providers import registry, shapes
from addon.providers.model import Provider
from addon.remember import remember_short
from addon.routing.access import unknown_host
from addon.routing.addresses import address_of, is_loopback, is_plain_loopback
from addon.routing.canonical_path import canonical_path
from addon.routing.own_endpoints import HEALTH_PATH, LEGACY_FEEDBACK, is_own
from addon.routing.targets import is_approved
from addon.sending.fallbacks import Fallback, Fallbacks, target_path

HELICONE_DOMAINS: Final = ("helicone.ai", "hconeai.com")
_SELF_HOST_PREFIX: Final = "/v1/gateway/"  # Helicone's self-hosted form: /v1/gateway/oai/v1/chat/completions
_GATEWAY: Final = "gateway"
_LONGEST_NAME: Final = 32  # of a path segment that may be a misspelled provider: the search grows with it
_NOWHERE: Final = ".invalid"  # the origin of a provider that lives at a different host for each customer
# Parameters of a query that a row keeps: they say what is asked for and how. All others are cut, since a secret may have any
# name; and so are values that are not short and plain.
_KEPT_PARAMETERS: Final = frozenset(
    {
        *("api-version", "apiversion", "alt", "beta", "model", "intent", "version", "stream", "task"),
        *("limit", "order", "after", "before", "after_id", "before_id", "include", "include[]"),
        *("page", "page_size", "pagesize", "purpose", "type", "depth"),
    }
)
_KEPT_VALUE: Final = re.compile(r"[A-Za-z0-9._:,/-]{0,64}")


@dataclass(frozen=True, slots=True)
class Named:
    """A target that a header of the caller's names; the header as messages spell it."""

    url: str
    header: str
    may_have_path: bool = False  # which is left out


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A request as it came in. `own` says that it was sent to this proxy as a server (origin-form), not through it."""

    scheme: str
    host: str  # lower case
    port: int
    path: str  # with its query
    own: bool
    target: Named | None = None  # for the gateway
    openai_base: Named | None = None  # for OpenAI's prefix and label
    alone: bool = False  # nobody but this machine can reach the proxy: a target may be on it
    under_our_name: bool = True  # False: the host may be a web page's, whose name was made to lead to this machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A provider is meant. `host` and `path` are the provider's own, `upstream` is where the request is really sent."""

    provider: Provider
    host: str
    path: str
    upstream: Origin
    named_by: str | None = None  # the header that named the target, unless the config does, too: its address is checked


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """We answer ourselves: an HTTP status, an error type and a sentence that says what to do."""

    status: int
    error_type: str
    message: str


AMBIGUOUS: Final = Refusal(
    status=400,
    error_type="ambiguous_path",
    message="the request can be read in two ways: send its path without empty or dot segments, %2F, %5C, double escapes or "
    "control characters, and no header or parameter that overrides the method",
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One of our own endpoints is meant."""

    path: str  # canonical


@dataclass(frozen=True, slots=True)
class Tunnel:
    """Not ours: passes untouched."""


@dataclass(frozen=True, slots=True)
class Router:
    upstreams: Mapping[str, Origin]
    targets: frozenset[Origin]

    def route(self, arrival: Arrival) -> Route | Refusal | Endpoint | Tunnel:
        if arrival.own and not arrival.under_our_name:
            return self._under_unknown_name(arrival)
        if provider := registry.by_host(arrival.host):
            called = Origin(arrival.scheme, arrival.host, arrival.port)
            if arrival.own:  # scheme and port are those of the way to us, not of the provider: keys go out encrypted
                called = replace(origin_of(provider.origin), host=arrival.host)
            return self._to(provider, arrival.path, called)
        called = Origin(arrival.scheme, arrival.host, arrival.port)
        if not arrival.own and (provider := self._by_upstream(called)):
            return self._to(provider, arrival.path, called)
        if is_helicone(arrival.host) and canonical_path(arrival.path) == LEGACY_FEEDBACK:
            return Endpoint(LEGACY_FEEDBACK)
        if arrival.own or is_helicone(arrival.host):
            return self._by_label(arrival) or self._by_path(arrival)
        return Tunnel()

    def opens(self, host: str, port: int) -> bool:
        """Whether a CONNECT to this host, in lower case, is opened: providers' and Helicone's hosts, and what the settings
        name as a provider's. Every other one is tunnelled."""
        return is_served(host) or any((host, port) == (there.host, there.port) for there in self.upstreams.values())

    def route_mode(self, arrival: Arrival) -> Route | Refusal | Endpoint | Tunnel:
        """For `--mode reverse:` and the like: the mode has named the target already."""
        target = Origin(arrival.scheme, arrival.host, arrival.port)
        path = canonical_path(arrival.path)
        if path is not None and is_own(path, on_own_host=False):
            return Endpoint(path)
        provider = self._by_upstream(target) or registry.by_host(arrival.host) or stranger(arrival.host)
        return self._to(provider, arrival.path, target)

    def _under_unknown_name(self, arrival: Arrival) -> Route | Refusal:
        """What a hostile page could not misuse: a public provider that the name itself means."""
        by_host = registry.by_host(arrival.host)
        provider = by_host or registry.by_label(label_of(arrival.host) or "")
        if provider is None or is_loopback(origin_of(provider.origin).host) or arrival.target or arrival.openai_base:
            return Refusal(status=403, error_type="host_not_allowed", message=f"{arrival.host}: {unknown_host()}")
        called = replace(origin_of(provider.origin), host=arrival.host) if by_host else None
        return self._to(provider, arrival.path, called)

    def _by_label(self, arrival: Arrival) -> Route | Refusal | Endpoint | None:
        label = label_of(arrival.host)
        if label is None:
            return None
        if alternative := registry.UNSERVED_LABELS.get(label):
            return Refusal(status=501, error_type="not_implemented", message=f"{label}. is not served; {alternative}")
        if label == _GATEWAY:
            return self._to_target(arrival, arrival.path)
        if provider := registry.by_label(label):
            return self._to_provider(provider, arrival, arrival.path)
        if label == "api" and is_helicone(arrival.host):
            path = canonical_path(arrival.path)
            return AMBIGUOUS if path is None else Endpoint(path)
        return None

    def _by_path(self, arrival: Arrival) -> Route | Refusal | Endpoint:
        path = canonical_path(arrival.path)
        if path is not None and is_own(path, on_own_host=True):
            return Endpoint(path)
        rest = arrival.path
        if rest.startswith(_SELF_HOST_PREFIX):
            rest = rest.removeprefix(_SELF_HOST_PREFIX.rstrip("/"))
        name, rest = _first_segment(rest)
        if name == _GATEWAY:
            return self._to_target(arrival, rest)
        if provider := registry.BY_NAME.get(name) or self._own(name):
            return self._to_provider(provider, arrival, rest)
        if path is None:
            return AMBIGUOUS
        near = did_you_mean(name, registry.BY_NAME) if len(name) <= _LONGEST_NAME else ""
        message = f"{path} is not served here{near}; {what_is_served()}"
        return Refusal(status=404, error_type="not_found", message=message)

    def _to_provider(self, provider: Provider, arrival: Arrival, path: str) -> Route | Refusal:
        if provider is registry.BY_NAME["openai"] and arrival.openai_base:
            return self.to_named(arrival.openai_base, path, alone=arrival.alone)
        return self._to(provider, path)

    def _to_target(self, arrival: Arrival, path: str) -> Route | Refusal:
        if arrival.target is None:
            message = "send the header Helicone-Target-Url with the provider's origin, e.g. https://api.openai.com"
            return Refusal(status=400, error_type="missing_target", message=message)
        return self.to_named(arrival.target, path, alone=arrival.alone)

    def to_named(self, named: Named, path: str, *, alone: bool) -> Route | Refusal:
        """Where a header sends a call; of its URL only the origin counts."""
        if (target := _named_origin(named)) is None:
            message = (
                f"{named.header}: {named.url!r} is not an origin; write e.g. https://api.openai.com, without a path"
            )
            return Refusal(status=400, error_type="invalid_target", message=message)
        configured = {*self.targets, *self.upstreams.values()}
        provider = registry.by_host(target.host) or self._by_upstream(target)
        if provider is None:
            if not (target in configured or is_approved(target.host) or (alone and is_plain_loopback(target.host))):
                message = f"{named.header}: {named.url} is not an approved target; add it to [targets] allow in heliograph.toml"
                return Refusal(status=403, error_type="target_not_approved", message=message)
            provider = stranger(target.host)
        route = self._to(provider, path, target)
        if isinstance(route, Refusal) or route.upstream in configured:
            return route
        return replace(route, named_by=named.header)

    def to_fallback(self, fallback: Fallback, first: Route, header: str | None, *, alone: bool) -> Route | Refusal:
        """Where a fallback sends a call; `first` is where it was sent at first. Without a `header` the config names it,
        and a key in the query stays behind: it is not for the other provider."""
        path = target_path(first.path, fallback.base)
        if fallback.origin is None:
            return replace(first, path=path)
        if header:
            return self.to_named(Named(fallback.origin, header), path, alone=alone)
        target = origin_of(fallback.origin)
        provider = registry.by_host(target.host) or self._by_upstream(target) or stranger(target.host)
        return self._to(provider, without_secrets(path), target)

    def to_fallbacks(
        self, fallbacks: Fallbacks, first: Route, header: str | None, *, alone: bool
    ) -> list[Route] | Refusal:
        """One route for each, or what is wrong with one of them."""
        routes = []
        for fallback in fallbacks.entries:
            route = self.to_fallback(fallback, first, header, alone=alone)
            if isinstance(route, Refusal):
                return route
            routes.append(route)
        return routes

    def _by_upstream(self, target: Origin) -> Provider | None:
        name = next((name for name, origin in self.upstreams.items() if origin == target), None)
        return None if name is None else registry.BY_NAME.get(name) or self._own(name)

    def _own(self, name: str) -> Provider | None:
        """The provider behind a name of the user's own (`--upstream rack=http://10.0.0.7:8000`)."""
        origin = self.upstreams.get(name)
        if origin is None:
            return None
        return replace(registry.by_name(name), origin=f"{origin.scheme}://{origin.authority}")

    def _to(self, provider: Provider, path: str, called: Origin | None = None) -> Route | Refusal:
        """`called` is the origin that the caller named; without one it is the provider's usual one."""
        origin = called or origin_of(provider.origin)
        upstream = self.upstreams.get(provider.name, origin)
        if upstream.host.endswith(_NOWHERE):
            message = f"{provider.name} has no address of its own: start heliograph with --upstream {provider.name}=https://..."
            return Refusal(status=400, error_type="missing_upstream", message=message)
        host = (
            origin_of(provider.origin).host if registry.by_host(origin.host) is None else origin.host.removesuffix(".")
        )
        return Route(provider=provider, host=host, path=path, upstream=upstream)


@remember_short(1024)
def is_served(host: str) -> bool:
    """Whether this is a provider's host or one of Helicone's."""
    return registry.by_host(host) is not None or is_helicone(host)


def is_helicone(host: str) -> bool:
    return any(host == domain or host.endswith(f".{domain}") for domain in HELICONE_DOMAINS)


def label_of(host: str) -> str | None:
    """The first DNS label, past Helicone's region `eu`; None for an address or a name without dots."""
    labels = host.split(".")
    if len(labels) < 2 or address_of(host) is not None:
        return None
    return labels[1] if labels[0] == "eu" and len(labels) > 2 else labels[0]


def means_endpoint(host: str, path: str) -> bool:
    """Whether a request that was sent to us asks for one of our own endpoints, admitted or not: by that its caller
    knows which shape an error has. `host` in lower case."""
    label = label_of(host)
    if registry.by_host(host) or (label and registry.by_label(label)):
        return False
    if label == "api" and is_helicone(host):
        return True
    canonical = canonical_path(path)
    return canonical is not None and is_own(canonical, on_own_host=True)


def path_of(target: str) -> str:
    return target.partition("?")[0]


def without_secrets(target: str) -> str:
    """Path and query as a row may keep them."""
    path, _, query = target.partition("?")
    if not query:
        return path
    kept = [part for part in query.split("&") if _is_kept(*part.partition("="))]
    return f"{path}?{'&'.join(kept)}" if kept else path


def _is_kept(name: str, _: str, value: str) -> bool:
    return name.lower() in _KEPT_PARAMETERS and _KEPT_VALUE.fullmatch(value) is not None


@remember_short(256)
def stranger(host: str) -> Provider:
    """A target that is not a provider we know: named after its host, read by the shape of its paths, without a price."""
    return replace(shapes.unknown(host), origin=f"https://{Origin('https', host, 443).authority}", hosts=(host,))


def what_is_served() -> str:
    names = ", ".join(f"/{name}" for name in sorted(registry.BY_NAME))
    return f"use a provider's prefix ({names}), /gateway with Helicone-Target-Url, or {HEALTH_PATH}"


def _named_origin(named: Named) -> Origin | None:
    """The origin that a caller named; None where it is not one. urlsplit refuses some texts, and some ports when asked."""
    try:
        parts, origin = urlsplit(named.url), origin_of(named.url)
    except ValueError:
        return None
    is_one = origin.scheme in ("http", "https") and origin.host and (named.may_have_path or parts.path in ("", "/"))
    return origin if is_one else None


def _first_segment(target: str) -> tuple[str, str]:
    """`/openai/v1/x?y` -> ("openai", "/v1/x?y")"""
    path, question, query = target.partition("?")
    name, _, rest = path.removeprefix("/").partition("/")
    return name, f"/{rest}{question}{query}"
