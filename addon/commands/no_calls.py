"""Why no call of a program came through, and what to type instead. Pure: `heliograph run` gives what it saw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from addon.commands.direct_connections import DNS_PORT, Address

_WEB_PORTS: Final = (443, 80, DNS_PORT)
_IGNORES: Final = "Node before 22.21, aiohttp without trust_env and bare urllib3 do"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known of a program that has ended."""

    again: str  # the command with --base-url
    bundle: Path  # the certificates that it should have trusted
    status: int = 0  # of its exit
    untrusted: Sequence[str] = ()  # hosts whose certificate it did not accept
    opened: Sequence[str] = ()  # hosts of providers that it reached through the proxy
    tunnelled: Sequence[str] = ()  # other hosts
    passed: int = 0  # requests to providers that are not calls
    direct: frozenset[Address] | None = frozenset()  # connections past the proxy; None: this system does not tell
    local: Mapping[Address, str] = field(
        default_factory=dict
    )  # servers on this machine that may be meant -> their names
    old_node: str | None = None  # the version of the Node that it runs on, where that cannot use a proxy
    by_base_url: bool = False  # --base-url was given


def why_nothing(seen: Seen) -> str:
    """One reason, in a sentence or two, and the command that helps."""
    if seen.untrusted:
        return (
            f"The program reached the proxy and did not trust its certificate for {_list(seen.untrusted)}: its HTTP library has "
            f"roots of its own. Let it trust {seen.bundle}, or go without TLS to the proxy:{_try(seen)}"
        )
    if seen.passed:
        where = f" {_list(seen.opened)}" if seen.opened else " a provider"
        return f"The program called{where}, but no operation that is measured: a list of models, for instance, is not a call of a model."
    if seen.opened:
        return f"The program connected to {_list(seen.opened)} through the proxy and sent no request."
    if local := [(port, name) for (host, port), name in seen.local.items() if (host, port) in (seen.direct or ())]:
        port, name = local[0]
        return (
            f"The program called a server on this machine, 127.0.0.1:{port} ({name}), which NO_PROXY keeps from the proxy. "
            f"To be measured it takes $HELIOGRAPH_URL/{name} in the place of http://127.0.0.1:{port}"
            + ("." if seen.by_base_url else f"; where a variable names it, this does so:{_try(seen)}")
        )
    if seen.tunnelled:
        host = seen.tunnelled[0]
        return (
            f"The program called {_list(seen.tunnelled)}, which is not a provider that heliograph knows, so it was not opened. If it "
            f"is one, name it with --upstream NAME=https://{host}, and let the program use $HELIOGRAPH_URL/NAME/v1 as its base URL."
        )
    if passed_by := sorted(_shown(address) for address in seen.direct or () if address[1] in _WEB_PORTS):
        return (
            f"The program went past the proxy ({_list(passed_by)}): its HTTP library ignores HTTPS_PROXY; {_IGNORES}. "
            + (
                "It does not read the variables of --base-url either: set its base URL in the program."
                if seen.by_base_url
                else f"Set its base URL:{_try(seen)}"
            )
        )
    return _nothing_seen(seen)


def _nothing_seen(seen: Seen) -> str:
    if seen.old_node and not seen.by_base_url:
        return (
            f"The program runs on Node {seen.old_node}, whose fetch ignores HTTPS_PROXY (22.21, 24.5 and newer versions do not). "
            f"Update it, or set its base URL:{_try(seen)}"
        )
    if seen.status:
        reason = (
            f"The program ended with status {seen.status} before a request of it was seen; its own message says why."
        )
    elif seen.direct is None:
        reason = "The program made no request, or its HTTP library ignores HTTPS_PROXY."
    else:
        reason = "No connection of the program was seen, so most likely it made no request."
    if seen.by_base_url:
        return reason
    return f"{reason} If it does call a model, its HTTP library ignores HTTPS_PROXY ({_IGNORES}); set its base URL:{_try(seen)}"


def _try(seen: Seen) -> str:
    return f"\n  {seen.again}"


def _shown(address: Address) -> str:
    host, port = address
    return "it asked a name server" if port == DNS_PORT else f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _list(names: Sequence[str]) -> str:
    shown = list(names[:3])
    return ", ".join(shown) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
