"""Which targets a caller's header may name, and which addresses they may have. Pure, but for `resolve`.

A proxy that other machines can use must not be a way into the network it stands in: what a header names is one of the
hosts below, a provider's, or one that the config names; and where the config does not name it, its addresses are public
ones, whatever its name says. What is checked is what the name resolves to, and then what was connected to.
"""

import asyncio
import re
import socket
from typing import Final

from addon.remember import remember_short

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


@remember_short(1024)
def is_approved(host: str) -> bool:
    """Whether a caller may name this host although it does not belong to a known provider."""
    host = host.lower().removesuffix(".")
    return any(pattern.fullmatch(host) for pattern in _PATTERNS)


async def resolve(host: str, port: int) -> list[str]:
    """All addresses of a host, asked as mitmproxy will ask, off the event loop. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]
