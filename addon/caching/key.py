"""Which calls are the same call.

Two calls are the same when everything that could change their answer is the same: method, target, body, the holder of our
key, the cache's seed, and every request header except the harmless ones listed here. An unknown header may be a credential
or switch a behaviour on, so calls that differ in one never share an answer.
"""

import contextlib
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

# Headers that may differ between two calls although the question and the caller are the same.
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
        *("x-claude-code-agent-id", "x-claude-code-parent-agent-id", "x-claude-code-prompt-id"),
        "idempotency-key",
        # Tracing.
        *("traceparent", "tracestate", "baggage", "b3", "sentry-trace", "newrelic", "uber-trace-id"),
        *("elastic-apm-traceparent", "x-amzn-trace-id", "x-cloud-trace-context", "x-request-id", "x-correlation-id"),
    )
)
_HARMLESS_PREFIXES: Final = ("helicone-", "x-stainless-", "x-fern-", "x-b3-", "x-datadog-")


def is_signed(url: str, headers: Iterable[tuple[str, str]]) -> bool:
    """Whether the call carries an AWS signature. Only AWS can tell a valid one from a forged one, and it covers the
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
        # Without them, a call that ignores nothing could get the answer to a call with other values in the ignored keys.
        "ignored": sorted(set(policy.ignore_keys)),
        "key_holder": key_holder,
        "headers": _relevant_headers(headers),
    }
    if fallbacks:  # any of them may answer
        head["fallbacks"] = [_fallback_identity(entry) for entry in fallbacks.entries]
    # JSON in ASCII has no zero byte, so two different calls are never written the same way.
    shared = hashlib.sha256(_FORM + b"\0" + json.dumps(head).encode() + b"\0")
    shared.update(hashlib.sha256(canonical_body(body, content_encoding, policy.ignore_keys)).digest())
    keys = []
    for index in range(policy.bucket_size):
        one = shared.copy()
        one.update(b"%d" % index)
        keys.append(one.hexdigest())
    return tuple(keys)


def canonical_body(body: bytes, content_encoding: str | None, ignore_keys: Iterable[str]) -> bytes:
    """The same bytes for equal JSON values, without the ignored keys; for anything else, the bytes as they came.

    A whole number and a fraction differ (1 and 1.0: a provider may refuse one of them). JSON that two parsers may read
    differently is compared as bytes: a name twice in one object, NaN, not UTF-8, a number that no double holds exactly as it
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


def _relevant_headers(headers: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """All headers but the harmless ones, by lower-case name."""
    relevant: dict[str, list[str]] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.lower(), raw_value.strip()
        if name in _HARMLESS or name.startswith(_HARMLESS_PREFIXES) or (name, value) == ("accept", "*/*"):
            continue  # a missing Accept means `*/*`
        relevant.setdefault(name, []).append(value)
    return dict(sorted(relevant.items()))


def _fallback_identity(entry: Fallback) -> list[Any]:
    """Everything that decides when a fallback is used and what it answers. Its headers, which may hold keys, are one hash."""
    headers = keyed_hash(_FORM, json.dumps(sorted((name.lower(), value) for name, value in entry.headers)))
    return [entry.origin, entry.base, headers, sorted(entry.body.items()), entry.after_codes]


def _remove(value: Any, path: list[str]) -> None:
    """Removes `path` from `value`; in a list, from each element. A name may contain dots itself."""
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
    with contextlib.suppress(ArithmeticError):  # an exponent that is too large
        if math.isfinite(number) and Decimal(repr(number)) == Decimal(text):
            return number
    raise ValueError("not a double")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name twice in one object")
    return members


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_float=_fraction, parse_constant=_no_constant)
