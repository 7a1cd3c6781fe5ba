"""Requests that a web page makes: which of them we serve. Pure; the hooks act on the answer.

A page in a browser on this machine can send requests to `127.0.0.1` as well as any program here, so a request that is sent
to us as to a server must not come from a page, unless it is one of ours or an origin that the settings allow. Browsers say
so themselves: `Origin` (RFC 6454), and on trustworthy hosts such as localhost `Sec-Fetch-*`
(https://www.w3.org/TR/fetch-metadata/). Programs send some of these headers, too: Node's fetch sends `Sec-Fetch-Mode: cors`
with every request, its WebSocket `Sec-Fetch-Mode: websocket`. Browsers never send one of these two without an `Origin` or
a `Sec-Fetch-Site`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from addon.routing.access import Denial
from addon.routing.addresses import address_of, is_loopback

ORIGIN: Final = "origin"
_SITE: Final = "sec-fetch-site"
_MODE: Final = "sec-fetch-mode"
_DESTINATION: Final = "sec-fetch-dest"
_PREFLIGHT_METHOD: Final = "access-control-request-method"
_PREFLIGHT_HEADERS: Final = "access-control-request-headers"
_PRIVATE_NETWORK: Final = "access-control-request-private-network"
_TELLING: Final = frozenset(name.encode() for name in (ORIGIN, _SITE, _MODE, _DESTINATION))
_PREFLIGHT_S: Final = 600
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}

_PROGRAMS_MODES: Final = frozenset({"cors", "websocket"})
_PROGRAMS_DESTINATIONS: Final = frozenset({"empty", "websocket"})
_SAFE_METHODS: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Hosts:
    """Which names are ours. `names`: `[hosts] allow`, each with everything below it."""

    names: Collection[str] = ()

    def is_ours(self, host: str, here: str | None = None) -> bool:
        """`here`: the address that the connection came to."""
        name = host.lower().removesuffix(".")
        address = address_of(name)
        if is_loopback(name) or (address is not None and (address.is_unspecified or str(address) == here)):
            return True  # no page can make an address lead elsewhere
        return any(name == own or name.endswith(f".{own}") for own in self.names)


def may_be_page(fields: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether any header is there that only browsers and a few programs send. `fields`: names and values."""
    return any(name.lower() in _TELLING for name, _ in fields)


def deny_page(
    headers: Mapping[str, str],
    method: str,
    *,
    allowed: Collection[str],
    authority: str,
    host_is_ours: bool,
    may_be_linked: bool = False,
) -> Denial | None:
    """Why a request that was sent to us as to a server is refused, or None. `headers` by name, in any case; `authority`:
    host and port that were asked for; `may_be_linked`: pages of others may have links to it, as to the dashboard."""
    origin, site = headers.get(ORIGIN), headers.get(_SITE)
    if may_be_linked and host_is_ours and _follows_link(headers, method):
        return None
    if origin is not None:
        if is_allowed(origin, allowed) or (host_is_ours and _is_same(origin, authority)):
            return None
        return _denial(f"the page or app {origin[:200]!r}")
    if site is not None:
        if site == "none":  # an address that a person typed
            return None
        if site == "same-origin" and host_is_ours and method.upper() in _SAFE_METHODS:  # all others have an Origin
            return None
        return _denial("a web page")
    mode, destination = headers.get(_MODE), headers.get(_DESTINATION)
    if mode not in (None, *_PROGRAMS_MODES) or destination not in (None, *_PROGRAMS_DESTINATIONS):
        return _denial("a web page")
    return None


def _follows_link(headers: Mapping[str, str], method: str) -> bool:
    """Whether a person opens an address as a page of its own: neither a script nor a frame can read what is answered."""
    navigates = headers.get(_MODE) == "navigate" and headers.get(_DESTINATION) == "document"
    return method.upper() in _SAFE_METHODS and navigates and ORIGIN not in headers


def is_allowed(origin: str, allowed: Collection[str]) -> bool:
    return origin.lower() in allowed


def is_preflight(headers: Mapping[str, str], method: str) -> bool:
    return method.upper() == "OPTIONS" and ORIGIN in headers and _PREFLIGHT_METHOD in headers


def preflight_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """What answers a preflight of an allowed origin: whatever it wants to send may be sent."""
    answer = {
        **_for_origin(headers[ORIGIN]),
        "access-control-allow-methods": headers[_PREFLIGHT_METHOD],
        "access-control-max-age": str(_PREFLIGHT_S),
    }
    if wanted := headers.get(_PREFLIGHT_HEADERS):
        answer["access-control-allow-headers"] = wanted
    if headers.get(_PRIVATE_NETWORK):
        answer["access-control-allow-private-network"] = "true"
    return answer


def answer_headers(origin: str, names: Collection[str]) -> dict[str, str]:
    """What lets a page of an allowed origin read an answer that has headers of these names."""
    return {**_for_origin(origin), "access-control-expose-headers": ", ".join(names)}


def _for_origin(origin: str) -> dict[str, str]:
    return {"access-control-allow-origin": origin, "vary": "origin"}


def _denial(who: str) -> Denial:
    return Denial(
        403,
        f"heliograph does not serve {who}; a person who trusts it adds its origin to [browser] allow_origins in "
        "heliograph.toml",
    )


def _is_same(origin: str, authority: str) -> bool:
    """Whether the origin is the host that was asked for, by http or by https with somebody's TLS in front of us."""
    scheme, separator, host = origin.lower().partition("://")
    if not separator or scheme not in _DEFAULT_PORTS:
        return False
    default = f":{_DEFAULT_PORTS[scheme]}"
    return host.removesuffix(default) == authority.lower().removesuffix(default)
