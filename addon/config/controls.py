"""Helicone's request and response headers: spelled and parsed here, nowhere else.

`HEADERS` lists them all with a line each; docs/headers.md is generated from it. `parse_controls` turns a request's
headers into one frozen object. A value we cannot read turns its feature off and adds a warning that names the header;
the call is served all the same. Parsing is linear in the length of the headers, and values have a longest length.
"""

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final, Literal
from urllib.parse import parse_qs, urlsplit

from addon.caching.policy import CacheControl, CachePolicy, parse_bucket_size, parse_cache_control, parse_ignore_keys
from addon.ids import parse_uuid
from addon.limits.policy import Policy, parse_policy
from addon.metering.agent_names import SUB_AGENT
from addon.remember import remember_short
from addon.sending.fallbacks import Fallbacks, parse_fallbacks
from addon.sending.retry import RetryPolicy, parse_factor, parse_retries, parse_wait_s
from addon.sending.timeouts import parse_timeouts

LONGEST_VALUE: Final = 8192  # characters; mitmproxy and most servers allow about as much for all headers together
LONGEST_FALLBACKS: Final = 65_536  # JSON with up to 20 targets, each with a key of its own
_MOST_WARNINGS: Final = 10  # on one call: they are sent as one header


@dataclass(frozen=True, slots=True)
class Header:
    """One header as Helicone's documentation spells it, and what it does here in one line."""

    spelled: str
    direction: Literal["request", "response"]
    meaning: str
    longest: int = LONGEST_VALUE  # characters that we read; a longer value counts as unreadable
    support: Literal["served", "ignored", "not supported"] = "served"  # "not supported": a caller who sends it is told


HEADERS: Final[list[Header]] = []


def _request(spelled: str, meaning: str, longest: int = LONGEST_VALUE) -> str:
    """Lists a header that callers send. Returns its name in lower case, as names are compared."""
    HEADERS.append(Header(spelled, "request", meaning, longest))
    return spelled.lower()


def _response(spelled: str, meaning: str) -> str:
    """Lists a header that we answer. Returns its name as it is sent."""
    HEADERS.append(Header(spelled, "response", meaning))
    return spelled


PREFIX: Final = "helicone-"  # every header that starts so is ours and never reaches a provider
PROPERTY_PREFIX: Final = "helicone-property-"

# What a caller sends.
AUTH: Final = _request(
    "Helicone-Auth", "`Bearer KEY`: a key of this proxy, where it has keys; the scope of rate limits"
)
REQUEST_ID: Final = _request("Helicone-Request-Id", "The call's id, a UUID; a new one is made where it is left out")
USER_ID: Final = _request("Helicone-User-Id", "Column user_id; the body's `user` where it is left out")
SESSION_ID: Final = _request("Helicone-Session-Id", "Column session_id: calls with one value are one session")
SESSION_PATH: Final = _request(
    "Helicone-Session-Path", "Column session_path: the call's place in it, e.g. /plan/search"
)
SESSION_NAME: Final = _request("Helicone-Session-Name", "Column session_name: what the session is called")
_request("Helicone-Property-<Name>", "Column properties: one entry, its name in lower case")
PROMPT_ID: Final = _request("Helicone-Prompt-Id", "Column prompt_id: which prompt template the call used")
MODEL_OVERRIDE: Final = _request("Helicone-Model-Override", "The model by which the call is priced")
OMIT_REQUEST: Final = _request("Helicone-Omit-Request", "`true`: the request body is not stored")
OMIT_RESPONSE: Final = _request("Helicone-Omit-Response", "`true`: the response body is not stored")
TARGET_URL: Final = _request("Helicone-Target-Url", "Where a call to /gateway or gateway.<domain> goes")
OPENAI_API_BASE: Final = _request("Helicone-OpenAI-Api-Base", "Where a call to OpenAI goes in place of api.openai.com")
FALLBACKS: Final = _request(  # has keys in it
    "Helicone-Fallbacks",
    "JSON: a list of targets that are tried in order, with the status codes that lead on",
    LONGEST_FALLBACKS,
)
CACHE_ENABLED: Final = _request(
    "Helicone-Cache-Enabled", "`true`: answer from the cache, and store what is not there yet"
)
CACHE_READ: Final = _request("Helicone-Cache-Read", "`true`: answer from the cache; store nothing")
CACHE_SAVE: Final = _request("Helicone-Cache-Save", "`true`: store the answer; do not answer from the cache")
CACHE_CONTROL: Final = _request(
    "Cache-Control", "`max-age=S`: how long a stored answer may be used; goes to the provider as well", 1024
)
CACHE_BUCKET_MAX_SIZE: Final = _request(
    "Helicone-Cache-Bucket-Max-Size", "How many different answers are stored for one request, 1 to 20"
)
CACHE_SEED: Final = _request("Helicone-Cache-Seed", "Calls with different seeds share no stored answers")
CACHE_IGNORE_KEYS: Final = _request(
    "Helicone-Cache-Ignore-Keys", "Members of the JSON body that make no difference, e.g. a,metadata.id", 2048
)
STREAM_USAGE: Final = _request("Helicone-Stream-Usage", "`true`: ask an OpenAI-shaped stream to state its usage")
RATE_LIMIT_POLICY: Final = _request(
    "Helicone-RateLimit-Policy", "`quota;w=seconds[;u=request|cents][;s=user|<property>]`: the limit for this call"
)
RETRY_ENABLED: Final = _request("Helicone-Retry-Enabled", "`true`: retry transient failures")
RETRY_NUM: Final = _request("Helicone-Retry-Num", "How many retries after the first attempt, 0 to 20; default 5")
RETRY_FACTOR: Final = _request(
    "Helicone-Retry-Factor", "By how much each wait is longer than the one before; default 2"
)
RETRY_MIN_TIMEOUT: Final = _request("Helicone-Retry-Min-Timeout", "The first wait in milliseconds; default 1000")
RETRY_MAX_TIMEOUT: Final = _request("Helicone-Retry-Max-Timeout", "The longest wait in milliseconds; default 10000")
TIMEOUT: Final = _request(
    "Helicone-Timeout", "`connect=S;first-byte=S;idle=S;total=S`, in seconds; each may be left out"
)
INCREASE_TIMEOUT: Final = _request("Helicone-Increase-Timeout", "`true`: wait up to 30 minutes for the answer")
PROXY_AUTHORIZATION: Final = _request(
    "Proxy-Authorization", "User and password of the proxy URL: the project's name and a key"
)

# What we answer.
ID: Final = _response("Helicone-Id", "The call's id: request_id of its row")
STATUS: Final = _response(
    "Helicone-Status",
    "`success`, as Helicone answers; of a call that this proxy refused or could not send: the type of the error",
)
OVERHEAD_MS: Final = _response("Helicone-Overhead-Ms", "Milliseconds that this proxy added before the first byte")
WARNING: Final = _response(
    "Helicone-Warning", "Which headers could not be read and why, or what else the caller should know"
)
ATTEMPTS: Final = _response("Helicone-Attempts", "How often the call was sent to a provider")
FALLBACK_INDEX: Final = _response("Helicone-Fallback-Index", "Which target answered, counted from 0")
CACHE: Final = _response("Helicone-Cache", "`HIT`, `MISS` or `COALESCED`, where the caller asked for the cache")
RATE_LIMIT_LIMIT: Final = _response("Helicone-RateLimit-Limit", "The quota of the limit that applies")
RATE_LIMIT_REMAINING: Final = _response("Helicone-RateLimit-Remaining", "What is left of it")
RATE_LIMIT_RESET: Final = _response("Helicone-RateLimit-Reset", "Seconds until the whole quota is available again")
RATE_LIMIT_APPLIED: Final = _response("Helicone-RateLimit-Policy", "The limit that applies, as a policy")
ERROR: Final = _response("X-Helicone-Error", "Why this proxy refused the call, e.g. `rate_limited`")
CACHE_BUCKET_IDX: Final = _response("Helicone-Cache-Bucket-Idx", "Which of the stored answers this is, counted from 0")
CACHE_LATENCY: Final = _response("Helicone-Cache-Latency", "Milliseconds that the stored answer took when it was made")
SHOULD_RETRY: Final = _response("x-should-retry", "`false`: the official SDKs do not retry")

# Headers that Helicone documents and we do not serve. The first group says nothing about how a call is made.
for _name in (
    *("Prompt-Version", "Prompt-Name", "Prompt-Format", "Prompt-Mode", "Prompt-Cache-Key", "Node-Id"),
    *("Experiment-Id", "Experiment-Column-Id", "Experiment-Row-Index", "Cache-Control", "RateLimit-Cost-Cents"),
    *("Webhook-Enabled", "Sent-To-Posthog", "Token-Fallback-Model", "Rate-Limit-Status"),
):
    HEADERS.append(Header(f"Helicone-{_name}", "request", "Helicone's; accepted and ignored", support="ignored"))
for _name in (
    *("Moderations-Enabled", "LLM-Security-Enabled", "LLM-Security-Advanced", "Prompt-Security-Enabled"),
    *("Peyeeye-Enabled", "Token-Limit-Exception-Handler", "Stream-Force-Format", "Gateway-Body-Mapping"),
    *("Posthog-Key", "Posthog-Host", "Lytix-Key", "Lytix-Host"),
):
    HEADERS.append(Header(f"Helicone-{_name}", "request", "Helicone's; not supported", support="not supported"))

_BY_NAME: Final = {
    header.spelled.lower(): header for header in reversed(HEADERS)
}  # a request header before an answer's

# Headers in which clients send a session of their own; the first that is there counts.
_CLIENT_SESSIONS: Final = ("x-claude-code-session-id", "session-id", "session_id", "x-session-id")
# Headers in which clients name the agent below the main one that makes a call, outermost first: the sub-agents of Claude
# Code (2.1.139 and later), and Codex's kinds of them (review, compact, ...).
_CLIENT_AGENTS: Final = ("x-claude-code-parent-agent-id", "x-claude-code-agent-id", "x-openai-subagent")
# The kind of sub-agent, where a header names it; a Claude Code's sub-agent has an id alone.
_SUB_AGENT_KIND: Final = "x-openai-subagent"
_SUB_AGENT_ID: Final = "x-claude-code-agent-id"
# Headers in which providers expect the caller's key.
CREDENTIALS: Final = ("authorization", "x-api-key", "api-key", "x-goog-api-key")
# Which of them a provider reads first; all others read `authorization` first. Another one, sent beside it, must not make
# a caller somebody else for limits.
_READ_FIRST: Final = {"anthropic": "x-api-key", "azure": "api-key", "gemini": "x-goog-api-key"}
_KEY_IN_QUERY: Final = frozenset({"gemini", "vertex"})  # `?key=`, where no header has one


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """What the headers of one call ask for, and what they say about it."""

    request_id: str | None = None
    user_id: str | None = None
    session_id: str | None = None  # Helicone's header, else the client's own
    session_path: str | None = None
    session_name: str | None = None
    sub_agent: str | None = None  # its kind, as the client names it
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
    credentials: dict[str, str] = field(default_factory=dict, repr=False)  # by header: to be hashed and forgotten
    client: str | None = None
    warnings: tuple[str, ...] = ()


def spelled(name: str) -> str:
    """The documented spelling of a header, for messages. A name that is not ours stays as it is."""
    header = _BY_NAME.get(name.lower())
    return header.spelled if header else name


def parse_controls(headers: Iterable[tuple[str, str]]) -> Controls:
    """Of two headers with one name the first counts. Empty values count as absent."""
    given, properties, warnings = _collect(headers)
    reader = _Reader(given, warnings)
    controls = Controls(
        session_id=next(filter(None, map(reader.text, _CLIENT_SESSIONS)), None),
        session_path="".join(f"/{name}" for name in map(reader.text, _CLIENT_AGENTS) if name) or None,
        sub_agent=reader.text(_SUB_AGENT_KIND) or (SUB_AGENT if reader.text(_SUB_AGENT_ID) else None),
        properties=properties,
        credentials={name: given[name] for name in CREDENTIALS if name in given},
        client=reader.text("user-agent"),
    )
    if not _BY_NAME.keys().isdisjoint(given):  # most calls ask nothing of us
        controls = _asked(reader, controls)
    return replace(controls, warnings=_bounded(warnings)) if warnings else controls


def _asked(reader: "_Reader", said: Controls) -> Controls:
    """What the headers ask for that are for this proxy; `said`: what the others say."""
    fallbacks = reader.read(FALLBACKS, lambda text: Fallbacks(parse_fallbacks(text)), "fallbacks are off")
    sent = {name.lower(): value for name, value in fallbacks.entries[0].headers} if fallbacks else {}
    return replace(
        said,
        request_id=reader.read(REQUEST_ID, _uuid, "a new one was made"),
        user_id=reader.text(USER_ID),
        session_id=reader.text(SESSION_ID) or said.session_id,
        session_path=reader.text(SESSION_PATH) or said.session_path,
        session_name=reader.text(SESSION_NAME),
        prompt_id=reader.text(PROMPT_ID),
        model_override=reader.text(MODEL_OVERRIDE),
        omit_request=reader.flag(OMIT_REQUEST),
        omit_response=reader.flag(OMIT_RESPONSE),
        target_url=reader.text(TARGET_URL),
        openai_api_base=reader.text(OPENAI_API_BASE),
        fallbacks=fallbacks,
        cache=_cache(reader),
        rate_limit=reader.read(RATE_LIMIT_POLICY, parse_policy, "this call is not limited by it"),
        stream_usage=reader.flag(STREAM_USAGE),
        retry=_retry(reader) if reader.flag(RETRY_ENABLED) else None,
        timeouts=reader.read(TIMEOUT, parse_timeouts, "it is off") or {},
        increase_timeout=reader.flag(INCREASE_TIMEOUT),
        helicone_auth=reader.text(AUTH),
        credentials={**said.credentials, **{name: sent[name] for name in CREDENTIALS if name in sent}},
    )


def _collect(headers: Iterable[tuple[str, str]]) -> tuple[dict[str, str], dict[str, str], list[str]]:
    """The values by name in lower case, the properties, and warnings of names that are not known and values that are
    too long."""
    given: dict[str, str] = {}
    properties: dict[str, str] = {}
    warnings: list[str] = []
    for raw_name, raw_value in headers:
        name, value = raw_name.lower(), raw_value.strip()
        if not value:
            continue
        header = _BY_NAME.get(name)
        if name.startswith(PROPERTY_PREFIX):
            if not (key := name.removeprefix(PROPERTY_PREFIX)):
                continue
            if len(name) > LONGEST_VALUE or len(value) > LONGEST_VALUE:
                warnings.append(f"{_shown(raw_name)}: longer than {LONGEST_VALUE} characters; it is left out")
            else:
                properties.setdefault(key, value)
        elif header and header.support == "not supported":
            if value.lower() != "false":
                warnings.append(f"{header.spelled} is not supported; it does nothing")
        elif header is None and name.startswith(PREFIX):
            warnings.append(_unknown(raw_name))
        else:
            given.setdefault(name, value)
    return given, properties, warnings


def _unknown(raw_name: str) -> str:
    near = nearest(raw_name.lower()) if len(raw_name) <= 64 else None
    return f"{_shown(raw_name)}: no such header{f'; did you mean {near}?' if near else ''}"


def _shown(raw_name: str) -> str:
    """A caller's name for a header as a message can have it: short, and printable ASCII."""
    return ascii(raw_name[:60])[1:-1]


@remember_short(1024)  # a client sends the same name with every call, and the search takes a millisecond
def nearest(name: str) -> str | None:
    """The request header whose name is most like this one (in lower case); None: nothing comes near."""
    found = difflib.get_close_matches(name, _CALLERS, n=1, cutoff=0.75)
    return spelled(found[0]) if found else None


_CALLERS: Final = [
    name for name, header in _BY_NAME.items() if header.direction == "request" and name.startswith(PREFIX)
]


def _bounded(warnings: list[str]) -> tuple[str, ...]:
    more = len(warnings) - _MOST_WARNINGS
    return (*warnings[:_MOST_WARNINGS], f"and {more} more") if more > 0 else tuple(warnings)


class _Reader:
    """One call's headers, read one by one; what cannot be read becomes a warning that names the header."""

    def __init__(self, given: dict[str, str], warnings: list[str]) -> None:
        self.given, self._warnings = given, warnings

    def flag(self, name: str, off: str = "it is off") -> bool:
        """`true` or `false` in any case; left out is false."""
        return self.read(name, _boolean, off) or False

    def read[T](self, name: str, parse: Callable[[str], T], off: str) -> T | None:
        """What `parse` makes of the value; None where it is left out, or raises ValueError. `off`: what follows then."""
        if (text := self.given.get(name)) is None:
            return None
        try:
            header = _BY_NAME.get(name)
            if len(text) > (longest := header.longest if header else LONGEST_VALUE):
                raise ValueError(f"longer than {longest} characters")
            return parse(text)
        except ValueError as error:
            self._warnings.append(f"{spelled(name)}: {error}; {off}")
            return None

    def text(self, name: str) -> str | None:
        """The value as it was sent."""
        return self.read(name, str, "it is ignored")

    def is_read(self, *values: tuple[str, object]) -> bool:
        """Whether none of these (name, value) was sent and could not be read."""
        return not any(name in self.given and value is None for name, value in values)


def _boolean(text: str) -> bool:
    if (value := text.lower()) not in ("true", "false"):
        raise ValueError(f"{text[:40]!r} is neither true nor false")
    return value == "true"


def _uuid(text: str) -> str:
    if (found := parse_uuid(text)) is None:
        raise ValueError(f"{text[:40]!r} is not a UUID")
    return found


def credential_for(provider_name: str, controls: Controls, path: str = "") -> str | None:
    """The credential that this provider reads, whatever else is sent. `path` with its query."""
    in_query = parse_qs(urlsplit(path).query).get("key") if provider_name in _KEY_IN_QUERY else None
    found = controls.credentials
    first = _READ_FIRST.get(provider_name, CREDENTIALS[0])
    if first in found:
        return found[first]
    if in_query:
        return in_query[0]
    return next((found[name] for name in CREDENTIALS if name in found), None)


def _cache(reader: _Reader) -> CachePolicy | None:
    off = "the cache is off"
    flags = {name: reader.read(name, _boolean, off) for name in (CACHE_ENABLED, CACHE_READ, CACHE_SAVE)}
    if not any(flags.values()):
        return None
    age = reader.read(CACHE_CONTROL, parse_cache_control, off)
    size = reader.read(CACHE_BUCKET_MAX_SIZE, parse_bucket_size, off)
    ignored = reader.read(CACHE_IGNORE_KEYS, parse_ignore_keys, off)
    seed = reader.read(CACHE_SEED, str, off)
    named = (CACHE_CONTROL, age), (CACHE_BUCKET_MAX_SIZE, size), (CACHE_IGNORE_KEYS, ignored), (CACHE_SEED, seed)
    if not reader.is_read(*flags.items(), *named):
        return None
    age = age or CacheControl()
    return CachePolicy(
        read=bool(flags[CACHE_ENABLED] or flags[CACHE_READ]) and age.may_read,
        save=bool(flags[CACHE_ENABLED] or flags[CACHE_SAVE]) and age.may_save,
        max_age_s=age.max_age_s,
        bucket_size=size or 1,
        seed=seed,
        ignore_keys=ignored or (),
    )


def _retry(reader: _Reader) -> RetryPolicy | None:
    off = "retries are off"
    named = {
        (RETRY_NUM, "retries"): reader.read(RETRY_NUM, parse_retries, off),
        (RETRY_FACTOR, "factor"): reader.read(RETRY_FACTOR, parse_factor, off),
        (RETRY_MIN_TIMEOUT, "min_timeout_s"): reader.read(RETRY_MIN_TIMEOUT, parse_wait_s, off),
        (RETRY_MAX_TIMEOUT, "max_timeout_s"): reader.read(RETRY_MAX_TIMEOUT, parse_wait_s, off),
    }
    if not reader.is_read(*((name, value) for (name, _), value in named.items())):
        return None
    wishes = {part: value for (_, part), value in named.items() if value is not None}
    # The two waits are checked against each other: the message belongs to one that the caller sent.
    waits = RETRY_MIN_TIMEOUT if RETRY_MIN_TIMEOUT in reader.given else RETRY_MAX_TIMEOUT
    return reader.read(waits, lambda _: RetryPolicy(**wishes), off) if waits in reader.given else RetryPolicy(**wishes)  # type: ignore[arg-type]
