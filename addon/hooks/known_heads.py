"""What heads of requests say, remembered for the next request that says the same.

A program sends the same headers with call after call. Where such a call goes, what its headers ask for and what the journal is told of
it are worked out once. No key stays in memory: a head is known by a keyed digest of it, and what is kept has no credentials in it.
"""

from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final

from mitmproxy import http

from addon.calls.connection import ClientConnection
from addon.calls.marks import ADMITTED, ASKED_HOST, OWN
from addon.config.controls import Controls
from addon.hooks.proxy import Proxy
from addon.hooks.services import InUse, Services
from addon.providers.model import Operation
from addon.routing.router import Route, without_secrets
from addon.sending.timeouts import Timeouts
from addon.storage.journal_lines import CallStart

# These differ from call to call. Nothing of ours reads them but `kept_headers`, which is asked anew for each call.
_OF_ONE_CALL: Final = frozenset({b"content-length", b"idempotency-key", b"traceparent", b"x-client-request-id"})
_MOST_HEADS: Final = 256
_LONGEST_HEAD: Final = 8 * 2**10  # characters of what is digested: most heads have less than one KiB


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownHead:
    """What was made of a call's head."""

    route: Route
    operation: Operation
    controls: Controls  # without credentials
    timeouts: Timeouts
    start: CallStart  # of the call that had it first


class KnownHeads:
    """Of the requests that became plain calls: one target, one answer."""

    def __init__(self, proxy: Proxy, services: Services) -> None:
        self._proxy, self._services = proxy, services
        self._made_with: InUse = services.in_use
        self._known: dict[bytes, KnownHead] = {}

    def digest(self, flow: http.HTTPFlow, caller: ClientConnection) -> bytes | None:
        """Of all in a request that decides what becomes of it, before anything of it is changed; None: it is not remembered."""
        data, metadata, client = flow.request.data, flow.metadata, flow.client_conn
        said = [field for field in data.headers.fields if field[0].lower() not in _OF_ONE_CALL]
        target = data.method, data.scheme, data.host, data.port, data.path
        form = metadata.get(OWN), metadata.get(ASKED_HOST), metadata.get(ADMITTED)
        text = repr((said, target, form, caller.project, client.sockname, client.proxy_mode, self._proxy.alone))
        if len(text) > _LONGEST_HEAD:
            return None
        return blake2b(text.encode(), digest_size=16, key=self._services.secret).digest()

    def get(self, digest: bytes | None) -> KnownHead | None:
        if self._made_with is not self._services.in_use:
            self._made_with = self._services.in_use
            self._known.clear()
        return self._known.get(digest) if digest else None

    def keep(self, digest: bytes | None, head: KnownHead) -> None:
        """Not where the call's path has a secret in it, or the caller gave the call its id; nor while calls are recorded, as a
        recording must know the credentials to leave them out."""
        is_of_one_call = head.controls.request_id is not None or without_secrets(head.route.path) != head.route.path
        if digest is None or is_of_one_call or self._proxy.tape:
            return
        if len(self._known) >= _MOST_HEADS:
            del self._known[next(iter(self._known))]
        self._known[digest] = replace(head, controls=replace(head.controls, credentials={}, helicone_auth=None))
