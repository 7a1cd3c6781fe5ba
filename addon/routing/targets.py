"""Which targets a caller's header may name, and which addresses they may have. Pure, but for `resolve`.

A proxy that other machines can use must not be a way into the network it stands in: what a header names is one of the
hosts below, a provider's, or one that the config names; and where the config does not name it, its addresses are public
ones, whatever its name says. What is checked is what the name resolves to, and then what was connected to.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

# Helicone's approved domains that belong to none of our providers (reference: `approvedDomains` of its worker). Left out:
# Helicone's own, and three private projects. A `*` stands for one label or a part of it.
_APPROVED: Final = (
    "*.azure-api.net",  # Azure API Management
    "*.googleapis.com",
    "api.avian.io",
    "api.endpoints.anyscale.com",
    "api.lemonfox.ai",
    "api.openpipe.ai",
    "app.openpipe.ai",
    "gateway.ai.cloudflare.com",
    "llm.chutes.ai",
    "*.chutes.ai",
)
_PATTERNS: Final = tuple(re.compile(re.escape(host).replace(r"\*", "[^.]+")) for host in _APPROVED)
# RFC 6052: the IPv4 address that a NAT64 network stands for is in the last 32 bits.
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


@lru_cache(maxsize=1024)
def is_approved(host: str) -> bool:
    """Whether a caller may name this host though it is none of our providers'."""
    host = host.lower().removesuffix(".")
    return any(pattern.fullmatch(host) for pattern in _PATTERNS)


def is_public(address: str) -> bool:
    """Whether an address is out in the internet: not loopback, private, link-local, multicast, reserved or unspecified,
    nor one of these inside an IPv6 address that stands for an IPv4 one."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
        inner = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
        if any(inner):
            return all(is_public(str(one)) for one in inner if one)
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def first_private(addresses: Iterable[str]) -> str | None:
    """The first address that is none of the internet's."""
    return next((address for address in addresses if not is_public(address)), None)


async def resolve(host: str, port: int) -> list[str]:
    """All addresses of a host, asked as mitmproxy will ask, off the event loop. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]
