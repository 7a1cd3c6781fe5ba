"""What a host's text or an address means: this machine, its network, or the internet. Pure.

A host can be spelled in many ways that the system's resolver takes for one address (`127.1`, `0x7f.1`, `2130706433`,
`[::ffff:127.0.0.1]`), so every check here goes by the address and not by the text.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable
from typing import Final

from addon.remember import remember_short

type IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# RFC 6052: the IPv4 address that a NAT64 network stands for is in the last 32 bits.
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
# Dotted, hexadecimal, octal and short forms, as inet_aton reads them.
_NUMERIC: Final = re.compile(r"(?:0[xX][0-9A-Fa-f]*|[0-9]+)(?:\.(?:0[xX][0-9A-Fa-f]*|[0-9]+)){0,3}\.?")
_LONGEST_NAME: Final = 253  # RFC 1035, 2.3.4
_LONGEST_LABEL: Final = 63


@remember_short(1024)
def address_of(host: str) -> IpAddress | None:
    """The address that a host's text spells; None for a name. An IPv4 address inside an IPv6 one (mapped, NAT64, 6to4) is
    returned as the IPv4 address."""
    text = host.removeprefix("[").removesuffix("]").partition("%")[0]
    if _NUMERIC.fullmatch(text):
        try:
            return ipaddress.IPv4Address(socket.inet_aton(text.removesuffix(".")))
        except OSError:
            return None
    try:
        return _inner(ipaddress.ip_address(text))
    except ValueError:
        return None


@remember_short(1024)
def is_loopback(host: str) -> bool:
    """Whether a name or an address always means this machine. `0.0.0.0` is not one: for a listener it means every network."""
    if (address := address_of(host)) is not None:
        return address.is_loopback
    name = host.lower().removesuffix(".")
    return name == "localhost" or name.endswith(".localhost")  # RFC 6761, 6.3


def is_plain_loopback(host: str) -> bool:
    """Loopback, and spelled as people do: a numeric spelling such as `2130706433` only serves to hide where it leads."""
    return is_loopback(host) and (not _NUMERIC.fullmatch(host) or str(address_of(host)) == host)


def is_public(address: str) -> bool:
    """Whether an address is out in the internet: not loopback, private, link-local, multicast, reserved or unspecified,
    nor one of these inside an IPv6 address that stands for an IPv4 one."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _NAT64:
            return is_public(str(_inner(ip)))
        inner = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
        if any(inner):
            return all(is_public(str(one)) for one in inner if one)
        if ip.is_site_local:
            return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def first_private(addresses: Iterable[str]) -> str | None:
    """The first address that is not one of the internet's."""
    return next((address for address in addresses if not is_public(address)), None)


def is_listened_on(peer: tuple[str, int], local: tuple[str, int] | None, listening: Iterable[tuple[str, int]]) -> bool:
    """Whether a connection leads to one of the sockets that we listen on ourselves. `peer` and `local` are the two ends of the
    connection, as addresses; `local` is None where it is not known."""
    there = address_of(peer[0])
    if there is None:
        return False
    here = address_of(local[0]) if local else None
    is_this_machine = there.is_loopback or there.is_unspecified or there == here
    for host, port in listening:
        bound = address_of(host)
        if port == peer[1] and (there == bound or (is_this_machine and (bound is None or bound.is_unspecified))):
            return True
    return False


def wrong_name(host: str) -> str | None:
    """Why a host can never be resolved; None: it may be. Resolvers raise for such names, or ask the network for them."""
    if address_of(host) is not None:
        return None
    labels = host.removesuffix(".").split(".")
    if not host or not all(labels):
        return "a part of the name is empty"
    try:
        encoded = host.removesuffix(".").encode("idna")
    except UnicodeError:
        too_long = any(len(label) > _LONGEST_LABEL for label in labels)
        return f"a part of the name is longer than {_LONGEST_LABEL} characters" if too_long else "it is not a host name"
    if len(encoded) > _LONGEST_NAME:
        return f"it is longer than {_LONGEST_NAME} characters"
    if re.search(rb"[^A-Za-z0-9._-]", encoded):
        return "it has characters that a host name must not have"
    return None


def _inner(ip: IpAddress) -> IpAddress:
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _NAT64:
            return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        return ip.ipv4_mapped or ip.sixtofour or ip
    return ip
