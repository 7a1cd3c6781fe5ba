"""Secrets are masked before a recording is written, and in a live call before it is compared with a recorded one.

A mask is as long as what it hides, so that lengths and the bounds of pieces stay. Not found are secrets of a form that is
not listed here, and those that a stream spells in several events.
"""

import re
from collections.abc import Iterable
from typing import Final

_SHORTEST: Final = 8  # a shorter credential would mask words ("test")
_SHOWN: Final = 3  # characters of a key that stay readable, so that its kind can be told

# Keys by their prefix: OpenAI, Anthropic, OpenRouter and others (sk-), Google, Groq, xAI, Hugging Face, Replicate, AWS, GitHub,
# Slack; then tokens in JWT form. Each pattern is linear.
_KEYS: Final = re.compile(
    rb"(?<![A-Za-z0-9_-])(?:"
    rb"sk-[A-Za-z0-9_-]{16,}|AIza[A-Za-z0-9_-]{30,}|gsk_[A-Za-z0-9]{16,}|xai-[A-Za-z0-9]{16,}|hf_[A-Za-z0-9]{16,}"
    rb"|r8_[A-Za-z0-9]{16,}|(?:AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}"
    rb"|xox[abprs]-[A-Za-z0-9-]{10,}|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,})"
)
# Members of JSON, also of JSON inside a JSON text, whose value is a secret whatever it looks like.
_MEMBERS: Final = re.compile(
    rb"(\\{0,3}\"(?:api[_-]?key|authorization|(?:access|refresh|id)_token|client_secret|secret_key|private_key|password)"
    rb"\\{0,3}\"\s{0,20}:\s{0,20}\\{0,3}\")([^\"\\]+)",
    re.IGNORECASE,
)


def masked(body: bytes, credentials: Iterable[bytes] = ()) -> bytes:
    """The body with as many bytes. `credentials`: those of the call's own headers. Bodies that are not text stay as they are."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return body
    for credential in credentials:
        if len(credential) >= _SHORTEST:
            body = body.replace(credential, _mask(credential))
    body = _KEYS.sub(lambda found: _mask(found[0]), body)
    return _MEMBERS.sub(lambda found: found[1] + b"*" * len(found[2]), body)


def _mask(secret: bytes) -> bytes:
    return secret[:_SHOWN] + b"*" * (len(secret) - _SHOWN)
