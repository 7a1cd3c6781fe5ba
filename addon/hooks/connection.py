"""What belongs to a caller's connection rather than to one call. It has one end: `OpenConnections.end`."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from addon.config import controls
from addon.config.keys import Key
from addon.ids import keyed_hash
from addon.routing.access import may_call

if TYPE_CHECKING:
    from mitmproxy.connection import Client

    from addon.hooks.flights import Flight

type Address = tuple[str, int]


@dataclass(slots=True, kw_only=True, eq=False)
class ClientConnection:
    id: str  # mitmproxy's
    project: str | None = None  # label in the proxy URL
    admitted_key_hash: str | None = None  # the proxy URL brought a key of ours: its hash
    # Targets that a header of the caller named, and that header: their addresses are checked before anything is sent.
    named_targets: dict[Address, str] = field(default_factory=dict)
    refusals: dict[Address, str] = field(default_factory=dict)  # why we did not connect to one of them
    connect_within_s: dict[Address, float] = field(default_factory=dict)  # what calls allow that open a connection now
    connect_timers: dict[str, asyncio.TimerHandle] = field(default_factory=dict)  # by server connection id
    leads: list["Flight"] = field(default_factory=list)  # shared calls under way whose first caller is here
    gone: asyncio.Event = field(default_factory=asyncio.Event)  # set when the caller disconnected

    @property
    def is_admitted(self) -> bool:
        return self.admitted_key_hash is not None

    def introduce(self, keys: Sequence[Key], secret: bytes, proxy_authorization: str | None) -> None:
        """What the proxy URL says of the caller: a project's name, a key."""
        if label := controls.project_label(proxy_authorization):
            self.project = label
        password = controls.proxy_password(proxy_authorization)
        if password and keys and may_call(keys, password):
            self.admitted_key_hash = keyed_hash(secret, password)

    def stop_timer(self, server_id: str) -> None:
        if timer := self.connect_timers.pop(server_id, None):
            timer.cancel()


class OpenConnections:
    """The callers' connections, by mitmproxy's id."""

    def __init__(self) -> None:
        self._open: dict[str, ClientConnection] = {}

    def of(self, client: "Client") -> ClientConnection:
        """Made when it is first asked for: plain mitmdump accepts connections before our addon is loaded. A connection that
        is closed already is not kept."""
        known = self._open.get(client.id)
        if known is None:
            known = ClientConnection(id=client.id)
            if client.connected:
                self._open[client.id] = known
        return known

    def forget_keys(self) -> None:
        """A key is no longer valid: every connection must show one again."""
        for connection in self._open.values():
            connection.admitted_key_hash = None

    def end(self, client_id: str) -> None:
        if connection := self._open.pop(client_id, None):
            for server_id in list(connection.connect_timers):
                connection.stop_timer(server_id)

    def __len__(self) -> int:
        return len(self._open)
