"""What heads of requests say, remembered for the next request that says the same.

A program sends the same headers with call after call. Where such a call goes, what its headers ask for and what the journal is told of
it are worked out once. No key stays in memory: headers are known by a keyed digest of them, and what is kept has no credentials in it.
"""

from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final

from mitmproxy import http

from addon.calls.connection import ClientConnection
from addon.calls.marks import ADMITTED, ASKED_HOST, OWN
from addon.config import kept_headers
from addon.config.controls import Controls
from addon.hooks.proxy import Proxy
from addon.hooks.services import InUse, Services
from addon.providers.model import Operation
from addon.routing.router import Route, without_secrets
from addon.sending.timeouts import Timeouts
from addon.storage.journal_lines import CallStart, started_again

# These differ from call to call. Nothing of ours reads them but `kept_headers`, which is asked anew for each call.
_KEPT_OF_ONE_CALL: Final = ("idempotency-key", "traceparent", "x-client-request-id")
_OF_ONE_CALL: Final = frozenset({b"content-length", *(name.encode() for name in _KEPT_OF_ONE_CALL)})
_BETWEEN: Final = b"\n"
_MOST_HEADS: Final = 256
_LONGEST_HEAD: Final = 8 * 2**10  # bytes: most have less than one KiB


type Key = tuple[object, ...]


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
        self._known: dict[Key, KnownHead] = {}

    def key(self, flow: http.HTTPFlow, caller: ClientConnection) -> Key | None:
        """All in a request that decides what becomes of it, before anything of it is changed; None: it is not remembered. Of its
        headers, which have secrets, a digest."""
        data, metadata, client = flow.request.data, flow.metadata, flow.client_conn
        said = [part for field in data.headers.fields if field[0].lower() not in _OF_ONE_CALL for part in field]
        text = _BETWEEN.join(said)
        is_plain = text.count(_BETWEEN) == len(said) - 1  # else other headers could have the same text
        if not is_plain or len(text) + len(data.path) > _LONGEST_HEAD:
            return None
        return (
            blake2b(text, digest_size=16, key=self._services.secret).digest(),
            *(data.method, data.scheme, data.host, data.port, data.path),
            *(metadata.get(OWN), metadata.get(ASKED_HOST), metadata.get(ADMITTED), caller.project),
            *(client.sockname, client.proxy_mode.full_spec, self._proxy.alone),
        )

    def get(self, key: Key | None) -> KnownHead | None:
        if self._made_with is not self._services.in_use:
            self._made_with = self._services.in_use
            self._known.clear()
        return self._known.get(key) if key else None

    def keep(self, key: Key | None, head: KnownHead) -> None:
        """Not where the call's path has a secret in it, or the caller gave the call its id; nor while calls are recorded, as a
        recording must know the credentials to leave them out."""
        is_of_one_call = head.controls.request_id is not None or without_secrets(head.route.path) != head.route.path
        if key is None or is_of_one_call or self._proxy.tape:
            return
        if len(self._known) >= _MOST_HEADS:
            del self._known[next(iter(self._known))]
        kept = {name: value for name, value in head.start.headers.items() if name not in _KEPT_OF_ONE_CALL}
        self._known[key] = replace(
            head,
            controls=replace(head.controls, credentials={}, helicone_auth=None),
            start=replace(head.start, headers=kept),
        )

    @staticmethod
    def start_again(head: KnownHead, request: http.Request, request_id: str, started_at_us: int) -> CallStart:
        """What the journal is told of another call with that head."""
        differs = any(name in request.headers for name in _KEPT_OF_ONE_CALL)
        headers = kept_headers.of_request(request.headers.fields) if differs else head.start.headers
        return started_again(head.start, request_id, started_at_us, headers)
