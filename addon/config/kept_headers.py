"""Which headers of a request and of its answer are kept with the bodies: those on a list, so that no secret is among them.

What is not on it (credentials, cookies, accounts, addresses, whatever a company's gateway adds) is in no file, but for what an
operation's reader asks of an answer (`Operation.answer_headers`): a stored call must be readable again.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

MOST_HEADERS: Final = 48
LONGEST_VALUE: Final = 200  # characters: a count, a name or an id is shorter

# What the program asks for: its API version, beta features, coding; how often its SDK has tried; the trace it belongs to.
_OF_REQUESTS: Final = frozenset(
    {
        *(b"accept", b"accept-encoding", b"content-encoding", b"content-type", b"user-agent"),
        *(b"anthropic-beta", b"anthropic-version", b"openai-beta", b"x-goog-api-client", b"x-app"),
        *(b"idempotency-key", b"traceparent", b"x-client-request-id", b"x-amz-target"),
    }
)
# The SDKs of OpenAI, Anthropic and others tell their version, platform, retries and timeout in such headers.
_PREFIXES_OF_REQUESTS: Final = (b"x-stainless-",)
# How the provider names the call, how long it worked, what is left of its limits, where it ran.
_OF_ANSWERS: Final = frozenset(
    {
        *(b"content-encoding", b"content-length", b"content-type", b"retry-after", b"retry-after-ms"),
        *(b"server", b"via", b"x-cache", b"x-should-retry"),
        *(b"request-id", b"x-request-id", b"apim-request-id", b"x-amzn-requestid", b"x-groq-region"),
        *(b"openai-model", b"openai-processing-ms", b"openai-version"),
        *(b"x-ms-region", b"server-timing", b"x-amzn-errortype", b"x-generation-id"),
    }
)
_PREFIXES_OF_ANSWERS: Final = (b"anthropic-ratelimit-", b"x-ratelimit-", b"x-amzn-bedrock-")

Fields = Iterable[tuple[bytes, bytes]]


def of_request(fields: Fields) -> dict[str, str]:
    """By lower-case name; of a repeated one the first."""
    return _kept(fields, _name_in_requests)


def of_answer(fields: Fields) -> dict[str, str]:
    """The same of an answer's headers."""
    return _kept(fields, _name_in_answers)


def _kept(fields: Fields, kept_name: Callable[[bytes], str | None]) -> dict[str, str]:
    kept: dict[str, str] = {}
    for came, value in fields:
        if (name := kept_name(came)) and len(kept) < MOST_HEADERS:
            kept.setdefault(name, value[:LONGEST_VALUE].decode("utf-8", "replace"))
    return kept


# Programs send the same names again and again; this runs on the event loop for every header.
@lru_cache(1024)
def _name_in_requests(came: bytes) -> str | None:
    return _name(came, _OF_REQUESTS, _PREFIXES_OF_REQUESTS)


@lru_cache(1024)
def _name_in_answers(came: bytes) -> str | None:
    return _name(came, _OF_ANSWERS, _PREFIXES_OF_ANSWERS)


def _name(came: bytes, names: frozenset[bytes], prefixes: tuple[bytes, ...]) -> str | None:
    """None: not kept."""
    name = came.lower()
    if name in names or name.startswith(prefixes):
        return name[:LONGEST_VALUE].decode("latin-1")
    return None
