"""Which calls are the same call.

Two calls are the same when all that could change their answer is the same: method, target, body, the holder of our key,
the cache's seed, and every request header but the harmless ones listed here. A header that nobody here knows may be a
credential or choose a behaviour, so callers that differ in one never share an answer.
"""

import hashlib
import json
import math
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from addon.caching.policy import CachePolicy
from addon.ids import keyed_hash
from addon.metering.content_coding import decode
from addon.providers.fields import values_at_most
from addon.sending.fallbacks import Fallback, Fallbacks

_FORM: Final = b"heliograph cache 2"  # another form of keys or of stored answers: another number, and nothing is shared
# Python's own JSON takes about a microsecond a value, and 100 bytes of memory. Beyond this only equal bytes are equal.
_MOST_VALUES: Final = 300_000

# Headers that change between two calls without changing what is asked or who asks.
_HARMLESS: Final = frozenset(
    (
        # The connection and the form of the message: bodies are compared decoded, the host is part of the target.
        *("host", "connection", "keep-alive", "proxy-connection", "proxy-authorization", "te", "trailer", "expect"),
        *("transfer-encoding", "upgrade", "content-length", "content-encoding", "accept-encoding"),
        # What the cache itself reads, and dates.
        *("cache-control", "pragma", "date"),
        # What a program or its SDK says of itself.
        *("user-agent", "x-goog-api-client", "x-openai-client-user-agent", "x-ms-client-request-id"),
        *("x-client-request-id", "amz-sdk-invocation-id", "amz-sdk-request", "x-claude-code-session-id"),
        "idempotency-key",
        # Tracing.
        *("traceparent", "tracestate", "baggage", "b3", "sentry-trace", "newrelic", "uber-trace-id"),
        *("elastic-apm-traceparent", "x-amzn-trace-id", "x-cloud-trace-context", "x-request-id", "x-correlation-id"),
    )
)
_HARMLESS_PREFIXES: Final = ("helicone-", "x-stainless-", "x-fern-", "x-b3-", "x-datadog-")


def is_signed(url: str, headers: Iterable[tuple[str, str]]) -> bool:
    """Whether the call carries an AWS signature. Nobody but AWS can tell a good one from a forged one, and it covers the
    time: such a call is never answered from the cache."""
    if "x-amz-signature=" in url.lower() or "x-amz-credential=" in url.lower():
        return True
    return any(
        name.lower() == "authorization" and value.strip().upper().startswith(("AWS4-", "AWS "))
        for name, value in headers
    )


def cache_keys(
    *,
    method: str,
    url: str,
    body: bytes,
    content_encoding: str | None,
    headers: Iterable[tuple[str, str]],
    key_holder: str | None,
    policy: CachePolicy,
    fallbacks: Fallbacks | None = None,
) -> tuple[str, ...]:
    """The keys of a call, one for each slot of its bucket: 64 hex digits each.

    `url` is where the call is really sent (`https://api.openai.com/v1/...?...`), with all of its query; `body` is as it
    came; `key_holder` stands for the key of this proxy that the caller has. Takes about 5 ms a megabyte: large ones
    belong in a thread. Never raises.
    """
    head: dict[str, Any] = {
        "method": method.upper(),
        "url": url,
        "seed": policy.seed,
        # Without them, a caller who ignores nothing could be given an answer to what another one ignored.
        "ignored": sorted(set(policy.ignore_keys)),
        "key_holder": key_holder,
        "headers": _telling(headers),
    }
    if fallbacks:  # any of them may answer
        head["fallbacks"] = [_told(entry) for entry in fallbacks.entries]
    # JSON in ASCII knows no zero byte, so no two different calls can be written alike.
    shared = hashlib.sha256(_FORM + b"\0" + json.dumps(head).encode() + b"\0")
    shared.update(hashlib.sha256(canonical_body(body, content_encoding, policy.ignore_keys)).digest())
    keys = []
    for index in range(policy.bucket_size):
        one = shared.copy()
        one.update(b"%d" % index)
        keys.append(one.hexdigest())
    return tuple(keys)


def canonical_body(body: bytes, content_encoding: str | None, ignore_keys: Iterable[str]) -> bytes:
    """The same bytes for equal JSON values, less the ignored keys; of anything else, the bytes as they came.

    A whole number and a fraction differ (1 and 1.0: a provider may refuse one of them). JSON that readers may take
    differently counts as bytes: a name twice in one object, NaN, not UTF-8, a number that no double holds exactly as it
    is written, very many values.
    """
    decoded, whole = decode(body, content_encoding)
    if not whole:
        return b"coded\0%b\0%b" % (json.dumps(content_encoding).encode(), body)
    if values_at_most(decoded) > _MOST_VALUES:
        return b"raw\0" + decoded
    try:
        value = _DECODER.decode(decoded.decode())
        for key in ignore_keys:
            _remove(value, key.split("."))
        return b"json\0" + json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        return b"raw\0" + decoded


def _telling(headers: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """All headers but the harmless ones, by lower-case name."""
    telling: dict[str, list[str]] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.lower(), raw_value.strip()
        if name in _HARMLESS or name.startswith(_HARMLESS_PREFIXES) or (name, value) == ("accept", "*/*"):
            continue  # `*/*` is what no Accept means as well
        telling.setdefault(name, []).append(value)
    return dict(sorted(telling.items()))


def _told(entry: Fallback) -> list[Any]:
    """All that decides what a fallback answers, and when; its headers, in which keys are, as one hash."""
    headers = keyed_hash(_FORM, json.dumps(sorted((name.lower(), value) for name, value in entry.headers)))
    return [entry.origin, entry.base, headers, sorted(entry.body.items()), entry.after_codes]


def _remove(value: Any, path: list[str]) -> None:
    """Takes `path` out of `value`, of each element where it meets a list. A name may have dots itself."""
    if isinstance(value, list):
        for item in value:
            _remove(item, path)
    elif isinstance(value, dict):
        value.pop(".".join(path), None)
        for length in range(1, len(path)):
            if (name := ".".join(path[:length])) in value:
                _remove(value[name], path[length:])


def _fraction(text: str) -> float:
    """A number with a point or an exponent. Raises ValueError where a double is not exactly what is written."""
    number = float(text)
    try:
        if math.isfinite(number) and Decimal(repr(number)) == Decimal(text):
            return number
    except ArithmeticError:  # an exponent beyond all measure
        pass
    raise ValueError("not a double")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name twice in one object")
    return members


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_float=_fraction, parse_constant=_no_constant)
