"""Refuses to connect where nobody may get through us: to our own socket, and, where other machines can reach the proxy, to
addresses of this machine and of the network that it stands in.

Every way out is checked: calls, tunnels, requests in absolute form, fallbacks. Free are the addresses that the settings name.
Checked is what the name resolves to, before we connect, and then what was connected to: a name may resolve to something else
a moment later. Behind an upstream proxy names are resolved there; then only addresses in the request itself are checked.

Why a connection was refused stands with the caller's connection; the stream reads it there (`CallStream.refusal`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from mitmproxy import http
from mitmproxy.proxy import server_hooks

from addon.calls.answers import answer_now, error_answer
from addon.calls.connection import Address, ClientConnection
from addon.calls.marks import ENDPOINT, OWN
from addon.hooks.proxy import Proxy
from addon.hooks.services import Services
from addon.mitm.handlers import abort, listen_addresses, mode_targets
from addon.mitm.request_form import names_us
from addon.routing.addresses import address_of, first_private, is_listened_on, is_loopback, is_public, wrong_name
from addon.routing.targets import resolve

_OURSELVES: Final = "that is this heliograph itself: send requests to it directly, not through it"


class Guard:
    def __init__(
        self,
        proxy: Proxy,
        services: Services,
        resolve: Callable[[str, int], Awaitable[Sequence[str]]] = resolve,
    ) -> None:
        self.proxy, self.services = proxy, services
        self._resolve = resolve

    # What the request itself says, before anything is connected.

    def http_connect(self, flow: http.HTTPFlow) -> None:
        self._check_text(flow)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if not (flow.metadata.get(OWN) or ENDPOINT in flow.metadata or self.proxy.calls.of(flow.id)):
            self._check_text(flow)  # of a call it is checked when it connects: then there is a row

    def _check_text(self, flow: http.HTTPFlow) -> None:
        if flow.response or flow.error:
            return
        host, port, here = flow.request.host, flow.request.port, flow.client_conn.sockname
        if port == here[1] and names_us(host, here[0]):
            answer_now(flow, error_answer(None, 403, "target_not_approved", f"{host}:{port}: {_OURSELVES}"))
        elif self._is_checked((host, port)) and (is_loopback(host) or (address_of(host) and not is_public(host))):
            answer_now(flow, error_answer(None, 403, "target_not_approved", _why(None, host, host)))

    # What is connected to.

    async def server_connect(self, data: server_hooks.ServerConnectionHookData) -> None:
        caller, address = self.proxy.connections.of(data.client), data.server.address
        if address is None:
            return
        host, port = address[:2]
        caller.refusals.pop((host, port), None)
        if wrong := wrong_name(host):  # mitmproxy would never hear of it: the resolver raises what it does not catch
            data.server.error = f"{host[:100]!r} is not a host: {wrong}"
        elif self._is_checked((host, port)):
            try:
                found = first_private(await self._resolve(host, port))
            except OSError:
                return  # mitmproxy asks again, and says what is wrong
            except asyncio.CancelledError as cancelled:
                # The caller left, or it took too long. Where this task simply ended, what waits for the connection would not hear
                # of it.
                data.server.error = str(cancelled) or "the connection is not wanted any more"
                return
            if found:
                data.server.error = self._refuse(caller, (host, port), found)

    def server_connected(self, data: server_hooks.ServerConnectionHookData) -> None:
        caller, server = self.proxy.connections.of(data.client), data.server
        if server.peername is None or server.address is None:
            return
        address, peer = server.address[:2], server.peername
        if is_listened_on(peer[:2], server.sockname[:2] if server.sockname else None, listen_addresses()):
            caller.refusals[address] = f"{address[0]}:{address[1]}: {_OURSELVES}"
        elif self._is_checked(address) and not is_public(peer[0]):
            self._refuse(caller, address, peer[0])
        else:
            return
        abort(data.client.id, server)  # nothing was sent yet

    def _is_checked(self, address: Address) -> bool:
        """Whether an address must be one of the internet's."""
        if self.proxy.alone or address in self.services.in_use.known_addresses:
            return False
        return address != self.services.api.address and address not in mode_targets()

    def _refuse(self, caller: ClientConnection, address: Address, found: str) -> str:
        message = caller.refusals[address] = _why(caller.named_targets.get(address), address[0], found)
        return message


def _why(named_by: str | None, host: str, found: str) -> str:
    """`named_by`: the header that named the host."""
    subject = f"{named_by} names {host}, which is" if named_by else f"{host} is"
    return (
        f"{subject} at {found}, an address of this machine or its network, and other machines can reach this heliograph; "
        "if it may be called, add its URL to [targets] allow in heliograph.toml"
    )
