"""The built-in patterns: what a secret looks like, and what proves that it is one.

All are searched at once by RE2, which never goes back in the text. That alone does not make a search for *all* matches
linear: while an early part of the text may still become a match, a later match has to wait, and the text between is read
again. So each pattern here is decided after a bounded number of characters; only what is taken greedily at its end, and
is then consumed, may be long.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from addon.redaction.check_digits import address_length, card_length, iban_length, phone_length

PatternName = Literal["keys", "cards", "mail", "phone", "iban", "ip"]
# `ip` has to be asked for: versions and examples look like addresses.
USUAL_PATTERNS: Final[tuple[PatternName, ...]] = ("keys", "cards", "mail", "phone", "iban")


Span = tuple[int, int]


def _whole(text: bytes) -> Span | None:
    return 0, len(text)


@dataclass(frozen=True, slots=True)
class Pattern:
    """`kind`: the word in the pseudonym. `expression`: in RE2's syntax, for UTF-8. `secret`: which part of the bytes found is
    the secret; None: none. `same`: what the pseudonym is made of, so that two spellings of one thing share it.
    `is_short`: no match is longer than a line, so that the search may go on one byte after a match that was refused."""

    kind: str
    expression: str
    secret: Callable[[bytes], Span | None] = _whole
    same: Callable[[bytes], bytes] = bytes
    is_short: bool = False


# Keys that begin with letters of their own. Sources: the providers' documents, and the patterns that gitleaks
# (https://github.com/gitleaks/gitleaks, MIT) and GitHub's secret scanning list.
_PREFIXED: Final = (
    r"sk-[A-Za-z0-9_-]{16,}",  # OpenAI, Anthropic, OpenRouter, DeepSeek, LiteLLM, Langfuse, ...
    r"pk-lf-[A-Za-z0-9-]{16,}",
    r"(?:sk|rk|pk)_(?:live|test|prod)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9+/=]{16,}",  # Stripe
    r"AIza[A-Za-z0-9_-]{30,}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,}|AQ\.[A-Za-z0-9_-]{30,}",  # Google
    r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}|ABSK[A-Za-z0-9+/]{40,}=*|bedrock-api-key-[A-Za-z0-9+/=_-]{20,}",  # AWS
    r"[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{20,}|[A-Za-z0-9_~.]{3}8Q~[A-Za-z0-9_~.-]{31,}",  # Azure
    r"gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,}|gl[a-z]{2,6}-[A-Za-z0-9_-]{20,}",  # GitHub, GitLab
    r"xox[a-z]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,}|xoxe\.xox[bp]-[A-Za-z0-9-]{10,}",  # Slack
    r"hf_[A-Za-z0-9]{30,}|api_org_[A-Za-z0-9]{30,}|r8_[A-Za-z0-9]{30,}|nvapi-[A-Za-z0-9_-]{30,}",
    r"gsk_[A-Za-z0-9]{30,}|xai-[A-Za-z0-9]{30,}|pplx-[A-Za-z0-9]{30,}|csk-[a-z0-9]{30,}|fw_[A-Za-z0-9]{20,}",
    r"tgp_v1_[A-Za-z0-9_-]{30,}|tvly-[A-Za-z0-9_-]{20,}|jina_[A-Za-z0-9_]{30,}|lsv2_[a-z]{2}_[a-f0-9_]{30,}",
    r"pa-[A-Za-z0-9_-]{40,}|dapi[a-f0-9]{32}|sbp_[a-f0-9]{40}|pscale_[a-z]{2,8}_[A-Za-z0-9_.-]{30,}",
    r"npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,}|SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}|SK[0-9a-f]{32}",
    r"do[opr]_v1_[a-f0-9]{64}|shp[a-z]{2}_[a-fA-F0-9]{32}|[0-9]{8,10}:[A-Za-z0-9_-]{35}|key-[0-9a-f]{32}",
    r"lin_api_[A-Za-z0-9]{40}|ntn_[A-Za-z0-9]{40,}|hv[sbr]\.[A-Za-z0-9_-]{24,}|dp\.[a-z]{2}\.[A-Za-z0-9]{40,}",
    r"hg_[A-Za-z0-9_-]{20,}|sk-helicone-[A-Za-z0-9_-]{10,}|glsa_[A-Za-z0-9_]{30,}|phc_[A-Za-z0-9]{30,}",
)
_PREFIXED_KEY: Final = rf"\b(?:{'|'.join(_PREFIXED)})"
_JWT: Final = r"\beyJ[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]+){0,4}"
# In text that has escapes left, a line break is "\n": a backslash is part of the block.
_PRIVATE_KEY: Final = (
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:(?:Proc-Type|DEK-Info|Version|Comment|Charset|Hash): ?[^\r\n\\]{0,120}|[A-Za-z0-9+/=\s\\])*"
    r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?"
)
# What stands before a secret that does not look like one by itself.
_BEARER: Final = r"(?i:\b(?:bearer|basic)[ \t]{1,4})[A-Za-z0-9._~+/-]{16,}=*"
TELLING_NAME: Final = (
    r"(?:api[_-]?key|secret[_-]?key|access[_-]?key|account[_-]?key|private[_-]?key|client[_-]?secret|auth[_-]?token"
    r"|access[_-]?token|refresh[_-]?token|password|passwd|pwd)"
)
_ASSIGNED: Final = (
    rf"""(?i:\b[a-z0-9_-]{{0,40}}{TELLING_NAME}[ \t]{{0,3}}\\?["']?[ \t]{{0,3}}(?::=|=>|=|:)[ \t]{{0,3}}\\?["']?)"""
    r"[A-Za-z0-9+/_.~!@#$%^&*-]{8,}=*"
)
_URL_PASSWORD: Final = r"""://[^\s/:@"'<>\\]{0,64}:[^\s/@"'<>\\]{1,128}@"""

# Letters of Latin, Greek and Cyrillic; of scripts without spaces between words nobody can say where an address begins.
_LETTERS: Final = r"A-Za-z\x{c0}-\x{d6}\x{d8}-\x{f6}\x{f8}-\x{52f}"
_MAIL: Final = (
    rf"[{_LETTERS}0-9][{_LETTERS}0-9._+'-]{{0,63}}(?:@|%40|\\u0040|&#64;|&commat;)"
    rf"(?:[{_LETTERS}0-9-]+\.)+[{_LETTERS}]{{2,24}}"
)
_SPACE: Final = r"[ .\x{a0}\x{2009}\x{202f}\x{2010}\x{2011}-]"
_CARD: Final = (
    rf"\b[2-6][0-9]{{3}}(?:{_SPACE}?[0-9]{{4}}){{2}}(?:{_SPACE}?[0-9]{{1,4}}){{1,2}}\b"
    rf"|\b3[0-9]{{3}}{_SPACE}?[0-9]{{6}}{_SPACE}?[0-9]{{4,5}}\b"
)
_IBAN: Final = rf"(?i:\b[a-z]{{2}}[0-9]{{2}}(?:{_SPACE}?[a-z0-9]{{4}}){{2,7}}(?:{_SPACE}?[a-z0-9]{{1,4}})?)\b"
_PHONE: Final = (
    r"(?:\+|\b00)[1-9](?:[ .()/\x{a0}\x{202f}\x{2011}-]{0,2}[0-9]){7,14}\b"  # international
    r"|(?:\([2-9][0-9]{2}\) ?|\b[2-9][0-9]{2}[ .-])[0-9]{3}[ .-][0-9]{4}\b"  # North America
    r"|\b0[1-9][0-9]{0,4}(?:[ ./-]{1,3}[0-9]{2,8}){1,5}\b"  # with the zero of long distance calls
)
_IP: Final = r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b|\b(?:[0-9a-fA-F]{1,4}:){2,7}[0-9a-fA-F]{1,4}\b|\b(?:[0-9a-fA-F]{1,4}:){1,6}(?::[0-9a-fA-F]{1,4}){1,6}\b"

_PICTURES: Final = (b".png", b".jpg", b".jpeg", b".gif", b".svg", b".webp")  # icon@2x.png


def _prefixed(text: bytes) -> Span | None:
    """A key has digits or capitals; `sk-learn-estimators-of-all-kinds` has neither."""
    return (0, len(text)) if any(48 <= each <= 57 or 65 <= each <= 90 for each in text[3:]) else None


_VALUE: Final = re.compile(rb"""[=:>][ \t]*\\?["']?([^=:>"'][^"']*)\Z""")


def _assigned(text: bytes) -> Span | None:
    match = _VALUE.search(text)
    return match.span(1) if match and is_telling_value(match[1]) else None


def is_telling_value(value: bytes) -> bool:
    """Whether it may be the value of a password: `password: required` is prose."""
    return any(48 <= each <= 57 for each in value) and any(chr(each).isalpha() for each in value) and b" " not in value


def _after_space(text: bytes) -> Span:
    return max(text.rfind(b" "), text.rfind(b"\t")) + 1, len(text)


def _url_password(text: bytes) -> Span:
    return text.rindex(b":") + 1, len(text) - 1


def _jwt(text: bytes) -> Span | None:
    return (0, len(text)) if b"." in text else None


def _mail(text: bytes) -> Span | None:
    return None if text.lower().endswith(_PICTURES) else (0, len(text))


def _begins(length: Callable[[bytes], int]) -> Callable[[bytes], Span | None]:
    """`length`: how many bytes at the beginning are the secret, 0: none."""
    return lambda text: (0, found) if (found := length(text)) else None


def _address(text: bytes) -> bytes:
    for at in (b"%40", b"\\u0040", b"&#64;", b"&commat;"):
        text = text.replace(at, b"@")
    return text.decode("utf-8", "replace").lower().encode()


def _alphanumeric(text: bytes) -> bytes:
    return bytes(each for each in text.upper() if chr(each).isalnum() and each < 128)


_KEYS: Final = (
    Pattern("key", _PRIVATE_KEY),
    Pattern("key", _PREFIXED_KEY, _prefixed),
    Pattern("key", _JWT, _jwt),
    Pattern("key", _BEARER, _after_space),
    Pattern("key", _ASSIGNED, _assigned),
    Pattern("key", _URL_PASSWORD, _url_password, is_short=True),
)
BUILT_IN: Final[dict[PatternName, tuple[Pattern, ...]]] = {
    "keys": _KEYS,
    "iban": (Pattern("iban", _IBAN, _begins(iban_length), _alphanumeric, is_short=True),),
    "cards": (Pattern("card", _CARD, _begins(card_length), _alphanumeric, is_short=True),),
    "mail": (Pattern("mail", _MAIL, _mail, _address),),
    "phone": (Pattern("phone", _PHONE, _begins(phone_length), _alphanumeric, is_short=True),),
    "ip": (Pattern("ip", _IP, _begins(address_length), is_short=True),),
}
