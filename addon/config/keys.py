"""Keys of the proxy: the sections `[keys.NAME]` of heliograph.toml, which hold a hash of each key and its roles. Pure."""

import hashlib
import re
import secrets
import string
from dataclasses import dataclass
from typing import Final, Literal

Role = Literal["proxy", "write", "read"]  # send calls; store feedback, scores and logs; ask
ROLES: Final[tuple[Role, ...]] = ("proxy", "write", "read")

_PREFIX: Final = "sha256:"
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HASH: Final = re.compile(r"sha256:[0-9a-f]{64}")
# A table header in TOML, whatever white space and comment it has: [keys.ci], [ keys . "ci" ] # mine, [[prices]].
_SECTION: Final = re.compile(rb"[ \t]*\[[^\r\n]*")


@dataclass(frozen=True, slots=True)
class Key:
    """Only the hash of a key is stored. A key has 144 random bits, so a fast hash is enough."""

    name: str
    hash: str
    roles: frozenset[str]


def new_key() -> str:
    """A new key, in the shape that Helicone's own packages accept."""
    letters = string.ascii_lowercase + string.digits
    groups = ("".join(secrets.choice(letters) for _ in range(7)) for _ in range(4))
    return f"sk-helicone-{'-'.join(groups)}"


def hash_of(key: str) -> str:
    """`sha256:` and 64 hexadecimal digits."""
    return _PREFIX + hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()


def is_hash(text: str) -> bool:
    return _HASH.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Whether a key can have this name: characters that need no quotes in TOML."""
    return _NAME.fullmatch(text) is not None


def section(name: str, key: str, roles: tuple[str, ...]) -> str:
    """The section of heliograph.toml for a new key."""
    return f'[keys.{name}]\nhash = "{hash_of(key)}"\nroles = [{", ".join(f'"{role}"' for role in roles)}]\n'


def without_section(text: bytes, name: str) -> bytes:
    """The file without the section [keys.NAME]; every other byte stays. Raises ValueError where there is no such section.

    The section ends at the next table header. Blank lines and comments directly before that header belong to it and stay;
    blank lines before our own header are removed with it, as `keys add` writes one.
    """
    spelled = re.compile(
        rb"""[ \t]*\[[ \t]*["']?keys["']?[ \t]*\.[ \t]*["']?%s["']?[ \t]*\][ \t]*(#[^\r\n]*)?[\r\n]*"""
        % re.escape(name.encode())
    )
    lines = text.splitlines(keepends=True)
    first = next((number for number, line in enumerate(lines) if spelled.fullmatch(line)), None)
    if first is None:
        raise ValueError(f"there is no section [keys.{name}]")
    after = next((number for number in range(first + 1, len(lines)) if _SECTION.match(lines[number])), len(lines))
    while after > first + 1 and after < len(lines) and _is_blank_or_comment(lines[after - 1]):
        after -= 1
    if first and not lines[first - 1].strip() and (after == len(lines) or not lines[after].strip()):
        first -= 1
    return b"".join(lines[:first] + lines[after:])


def _is_blank_or_comment(line: bytes) -> bool:
    return not line.strip() or line.lstrip().startswith(b"#")
