"""Which calls are the same call.

What tells two calls apart: method, real target, body, every credential, `Helicone-Auth`, seed, and the headers that
choose behaviour. What does not: user, session, properties, telemetry of SDKs, `Accept-Encoding`.
"""

import hashlib
import json
import math
from collections.abc import Iterable
from typing import Any, Final

from addon.caching.policy import CachePolicy
from addon.config.controls import CREDENTIALS
from addon.ids import keyed_hash
from addon.metering.content_coding import decode
from addon.providers.fields import values_at_most
from addon.sending.fallbacks import Fallback, Fallbacks

_FORM: Final = b"heliograph cache 1"  # another form of keys or of stored answers: another number, and nothing is shared
# Python's own JSON takes about a microsecond a value, and 100 bytes of memory. Beyond this only equal bytes are equal.
_MOST_VALUES: Final = 300_000
_BEHAVIOUR: Final = (
    "anthropic-version",
    "anthropic-beta",
    "openai-organization",
    "openai-project",
    "openai-beta",
    "x-goog-user-project",
)
# Guardrails, latency class and service tier of a Bedrock call are headers: an answer without a guardrail must not
# serve a call that has one.
_BEHAVIOUR_PREFIX: Final = "x-amzn-bedrock-"


def cache_keys(
    *,
    method: str,
    url: str,
    body: bytes,
    content_encoding: str | None,
    headers: Iterable[tuple[str, str]],
    helicone_auth: str | None,
    policy: CachePolicy,
    fallbacks: Fallbacks | None = None,
) -> tuple[str, ...]:
    """The keys of a call, one for each slot of its bucket: 64 hex digits each.

    `url` is where the call is really sent (`https://api.openai.com/v1/...?...`), with all of its query; `body` is as it
    came. Takes about 5 ms a megabyte: large ones belong in a thread. Never raises.
    """
    head: dict[str, Any] = {
        "method": method.upper(),
        "url": url,
        "seed": policy.seed,
        # Without them, a caller who ignores nothing could be given an answer to what another one ignored.
        "ignored": sorted(set(policy.ignore_keys)),
        "helicone_auth": keyed_hash(_FORM, _hashable(helicone_auth)) if helicone_auth else None,
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

    Numbers are equal as RFC 8785 has it, as doubles, but whole numbers are compared digit by digit. JSON that readers
    may take differently (a name twice in one object, NaN, not UTF-8), or with very many values, counts as no JSON.
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
    """The headers that tell calls apart, by lower-case name. Credentials as hashes, AWS's by its access key id."""
    telling: dict[str, list[str]] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.lower(), raw_value.strip()
        if name in CREDENTIALS:
            telling.setdefault(name, []).append(keyed_hash(_FORM, _hashable(value)))
        elif name in _BEHAVIOUR or name.startswith(_BEHAVIOUR_PREFIX):
            telling.setdefault(name, []).append(value)
    return dict(sorted(telling.items()))


def _told(entry: Fallback) -> list[Any]:
    """All that decides what a fallback answers, and when; its headers, in which keys are, as one hash."""
    headers = keyed_hash(_FORM, json.dumps(sorted((name.lower(), value) for name, value in entry.headers)))
    return [entry.origin, entry.base, headers, sorted(entry.body.items()), entry.after_codes]


def _hashable(value: str) -> str:
    """Header bytes that are no UTF-8 come as surrogates, which cannot be encoded again as they are."""
    return value if value.isascii() and not value.startswith('"') else json.dumps(value)


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


def _number(text: str) -> int | float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is beyond every double")
    return int(number) if number.is_integer() else number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name twice in one object")
    return members


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_float=_number, parse_constant=_no_constant)
