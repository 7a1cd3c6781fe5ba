"""Helicone's request and response headers: spelled and parsed here, nowhere else.

`parse_controls` turns a request's headers into one frozen object. A value we cannot read turns its feature off and adds
a warning; the call is served all the same.
"""

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from addon.caching.policy import CachePolicy, parse_bucket_size, parse_cache_control, parse_ignore_keys
from addon.ids import parse_uuid
from addon.limits.policy import Policy, parse_policy
from addon.sending.fallbacks import Fallbacks, parse_fallbacks
from addon.sending.retry import RetryPolicy, parse_factor, parse_retries, parse_wait_s
from addon.sending.timeouts import parse_timeouts

# What a caller sends. Names in lower case, as they are compared.
PREFIX: Final = "helicone-"  # every header that starts so is ours and never reaches a provider
AUTH: Final = "helicone-auth"
REQUEST_ID: Final = "helicone-request-id"
USER_ID: Final = "helicone-user-id"
SESSION_ID: Final = "helicone-session-id"
SESSION_PATH: Final = "helicone-session-path"
SESSION_NAME: Final = "helicone-session-name"
PROPERTY_PREFIX: Final = "helicone-property-"
PROMPT_ID: Final = "helicone-prompt-id"
MODEL_OVERRIDE: Final = "helicone-model-override"
OMIT_REQUEST: Final = "helicone-omit-request"
OMIT_RESPONSE: Final = "helicone-omit-response"
TARGET_URL: Final = "helicone-target-url"
OPENAI_API_BASE: Final = "helicone-openai-api-base"
FALLBACKS: Final = "helicone-fallbacks"  # has keys in it
CACHE_ENABLED: Final = "helicone-cache-enabled"  # both of the next two
CACHE_READ: Final = "helicone-cache-read"
CACHE_SAVE: Final = "helicone-cache-save"
CACHE_CONTROL: Final = "cache-control"  # goes through to the provider as well
CACHE_BUCKET_MAX_SIZE: Final = "helicone-cache-bucket-max-size"
CACHE_SEED: Final = "helicone-cache-seed"
CACHE_IGNORE_KEYS: Final = "helicone-cache-ignore-keys"
STREAM_USAGE: Final = "helicone-stream-usage"
RATE_LIMIT_POLICY: Final = "helicone-ratelimit-policy"
RETRY_ENABLED: Final = "helicone-retry-enabled"
RETRY_NUM: Final = "helicone-retry-num"
RETRY_FACTOR: Final = "helicone-retry-factor"
RETRY_MIN_TIMEOUT: Final = "helicone-retry-min-timeout"
RETRY_MAX_TIMEOUT: Final = "helicone-retry-max-timeout"
TIMEOUT: Final = "helicone-timeout"
INCREASE_TIMEOUT: Final = "helicone-increase-timeout"
PROXY_AUTHORIZATION: Final = "proxy-authorization"

# What we answer.
ID: Final = "Helicone-Id"
STATUS: Final = "Helicone-Status"
OVERHEAD_MS: Final = "Helicone-Overhead-Ms"
WARNING: Final = "Helicone-Warning"
ATTEMPTS: Final = "Helicone-Attempts"
FALLBACK_INDEX: Final = "Helicone-Fallback-Index"
CACHE: Final = "Helicone-Cache"
RATE_LIMIT_LIMIT: Final = "Helicone-RateLimit-Limit"
RATE_LIMIT_REMAINING: Final = "Helicone-RateLimit-Remaining"
RATE_LIMIT_RESET: Final = "Helicone-RateLimit-Reset"
RATE_LIMIT_APPLIED: Final = "Helicone-RateLimit-Policy"
ERROR: Final = "X-Helicone-Error"
CACHE_BUCKET_IDX: Final = "Helicone-Cache-Bucket-Idx"
CACHE_LATENCY: Final = "Helicone-Cache-Latency"
SHOULD_RETRY: Final = "x-should-retry"  # the official SDKs obey it

# Sessions that clients name themselves, in the order in which they are believed.
_CLIENT_SESSIONS: Final = ("x-claude-code-session-id", "session-id", "session_id", "x-session-id")
# Where providers look for the caller's key.
CREDENTIALS: Final = ("authorization", "x-api-key", "api-key", "x-goog-api-key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """The caller's wishes for one call, and what it says of itself."""

    request_id: str | None = None
    user_id: str | None = None
    session_id: str | None = None  # Helicone's header, else the client's own
    session_path: str | None = None
    session_name: str | None = None
    properties: dict[str, str] = field(default_factory=dict)  # lower-case names
    prompt_id: str | None = None
    model_override: str | None = None
    omit_request: bool = False
    omit_response: bool = False
    target_url: str | None = None
    openai_api_base: str | None = None
    fallbacks: Fallbacks | None = None
    cache: CachePolicy | None = None
    rate_limit: Policy | None = None
    stream_usage: bool = False
    retry: RetryPolicy | None = None
    timeouts: dict[str, float] = field(default_factory=dict)  # fields of settings.Timeouts that this call sets
    increase_timeout: bool = False
    helicone_auth: str | None = None
    credential: str | None = None  # the provider's key, to be hashed and forgotten
    client: str | None = None
    warnings: tuple[str, ...] = ()


def parse_controls(headers: Iterable[tuple[str, str]]) -> Controls:
    """Of two headers with one name the first counts. Empty values count as absent."""
    given: dict[str, str] = {}
    properties: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.lower(), raw_value.strip()
        if not value:
            continue
        if name.startswith(PROPERTY_PREFIX):
            if key := name.removeprefix(PROPERTY_PREFIX):
                properties.setdefault(key, value)
        else:
            given.setdefault(name, value)

    warnings: list[str] = []
    request_id = None
    if REQUEST_ID in given and (request_id := parse_uuid(given[REQUEST_ID])) is None:
        warnings.append("Helicone-Request-Id is not a UUID; a new one was made")
    fallbacks = _fallbacks(given, warnings)
    sent = {name.lower(): value for name, value in fallbacks.entries[0].headers} if fallbacks else {}
    return Controls(
        request_id=request_id,
        user_id=given.get(USER_ID),
        session_id=given.get(SESSION_ID) or next((given[name] for name in _CLIENT_SESSIONS if name in given), None),
        session_path=given.get(SESSION_PATH),
        session_name=given.get(SESSION_NAME),
        properties=properties,
        prompt_id=given.get(PROMPT_ID),
        model_override=given.get(MODEL_OVERRIDE),
        omit_request=_flag(given, OMIT_REQUEST, "Helicone-Omit-Request", warnings),
        omit_response=_flag(given, OMIT_RESPONSE, "Helicone-Omit-Response", warnings),
        target_url=given.get(TARGET_URL),
        openai_api_base=given.get(OPENAI_API_BASE),
        fallbacks=fallbacks,
        cache=_cache(given, warnings),
        rate_limit=_rate_limit(given, warnings),
        stream_usage=_flag(given, STREAM_USAGE, "Helicone-Stream-Usage", warnings),
        retry=_retry(given, warnings) if given.get(RETRY_ENABLED) else None,
        timeouts=_timeouts(given, warnings),
        increase_timeout=_flag(given, INCREASE_TIMEOUT, "Helicone-Increase-Timeout", warnings),
        helicone_auth=given.get(AUTH),
        credential=next((keys[name] for keys in (sent, given) for name in CREDENTIALS if name in keys), None),
        client=given.get("user-agent"),
        warnings=tuple(warnings),
    )


def is_label(text: str) -> bool:
    """Whether every client sends `text` as it is in a proxy URL: unreserved characters only."""
    return re.fullmatch(r"[A-Za-z0-9._~-]{1,100}", text) is not None


def _cache(given: dict[str, str], warnings: list[str]) -> CachePolicy | None:
    wanted = {name: given[name].lower() for name in (CACHE_ENABLED, CACHE_READ, CACHE_SAVE) if name in given}
    if odd := [name for name, value in wanted.items() if value not in ("true", "false")]:
        warnings.append(f"{odd[0].title()} must be true or false; the cache is off")
        return None
    enabled, read, save = (wanted.get(name) == "true" for name in (CACHE_ENABLED, CACHE_READ, CACHE_SAVE))
    if not (enabled or read or save):
        return None
    try:
        age = parse_cache_control(given.get(CACHE_CONTROL, ""))
        return CachePolicy(
            read=(enabled or read) and age.may_read,
            save=(enabled or save) and age.may_save,
            max_age_s=age.max_age_s,
            bucket_size=parse_bucket_size(given.get(CACHE_BUCKET_MAX_SIZE, "1")),
            seed=given.get(CACHE_SEED),
            ignore_keys=parse_ignore_keys(given[CACHE_IGNORE_KEYS]) if CACHE_IGNORE_KEYS in given else (),
        )
    except ValueError as error:
        warnings.append(f"Helicone-Cache-*, Cache-Control: {error}; the cache is off")
        return None


def _rate_limit(given: dict[str, str], warnings: list[str]) -> Policy | None:
    if RATE_LIMIT_POLICY not in given:
        return None
    try:
        return parse_policy(given[RATE_LIMIT_POLICY])
    except ValueError as error:
        warnings.append(f"{RATE_LIMIT_APPLIED}: {error}; this call is not limited by it")
        return None


def _retry(given: dict[str, str], warnings: list[str]) -> RetryPolicy | None:
    if not _flag(given, RETRY_ENABLED, "Helicone-Retry-Enabled", warnings):
        return None
    named: dict[str, float] = {}
    try:
        if text := given.get(RETRY_NUM):
            named["retries"] = parse_retries(text)
        if text := given.get(RETRY_FACTOR):
            named["factor"] = parse_factor(text)
        if text := given.get(RETRY_MIN_TIMEOUT):
            named["min_timeout_s"] = parse_wait_s(text)
        if text := given.get(RETRY_MAX_TIMEOUT):
            named["max_timeout_s"] = parse_wait_s(text)
        return RetryPolicy(**named)  # type: ignore[arg-type]
    except ValueError as error:
        warnings.append(f"Helicone-Retry-*: {error}; retries are off")
        return None


def _fallbacks(given: dict[str, str], warnings: list[str]) -> Fallbacks | None:
    if FALLBACKS not in given:
        return None
    try:
        return Fallbacks(parse_fallbacks(given[FALLBACKS]))
    except ValueError as error:
        warnings.append(f"Helicone-Fallbacks: {error}; fallbacks are off")
        return None


def _timeouts(given: dict[str, str], warnings: list[str]) -> dict[str, float]:
    if TIMEOUT not in given:
        return {}
    try:
        return parse_timeouts(given[TIMEOUT])
    except ValueError as error:
        warnings.append(f"Helicone-Timeout: {error}; it is off")
        return {}


def project_label(proxy_authorization: str | None) -> str | None:
    """The user part of the proxy URL (`http://LABEL:x@127.0.0.1:8787`): a project's name, not a secret."""
    label = _user_and_password(proxy_authorization)[0]
    return label if is_label(label) else None


def proxy_password(proxy_authorization: str | None) -> str | None:
    """The password of the proxy URL: a key of this proxy, where it has keys."""
    return _user_and_password(proxy_authorization)[1] or None


def _user_and_password(proxy_authorization: str | None) -> tuple[str, str]:
    scheme, _, encoded = (proxy_authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:  # not base64, not ASCII, not UTF-8
        return "", ""
    return user, password


def _flag(given: dict[str, str], name: str, spelled: str, warnings: list[str]) -> bool:
    value = given.get(name, "false").lower()
    if value not in ("true", "false"):
        warnings.append(f"{spelled} must be true or false; it is off")
    return value == "true"
