"""The operation of a call on a provider's host, however its path is spelled. Pure; linear in the path.

The operations' own patterns are matched against the path as it came: they know where encoded characters belong (a Bedrock ARN
has `%2F` in it). A path that matches none may still be one for the provider, which decodes it: `/v1/%63hat/completions`,
`//v1/chat/completions`, `/v1/x/../chat/completions`. Such a path is ambiguous: refused where somebody relies on limits, and
otherwise metered as the operation that it means.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from addon.providers import registry
from addon.providers.model import Operation, Provider

_PLAIN: Final = re.compile(r"(?:/[A-Za-z0-9_~!$&'()*+,=:@-][A-Za-z0-9._~!$&'()*+,=:@-]*)*/?")
_UNRESERVED: Final = re.compile(r"%(2[dDeE]|3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa]|5[fF]|7[eE])")
# `:` and `@`, which some clients escape (`models/x%3AgenerateContent`) and others do not.
_HARMLESS: Final = re.compile(r"%(3[aA]|40)")
_ESCAPE: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_MOST_DECODINGS: Final = 3


@dataclass(frozen=True, slots=True)
class Classified:
    found: (
        tuple[Operation, str | None] | None
    )  # the operation, and the model that the path names; None: not a known one
    path: str  # by which it was found: of an ambiguous path the plain form
    is_ambiguous: bool = False


_MOST_METHODS: Final = 10  # that are tried; HTTP has nine


def classify(provider: Provider, method: str, path: str, host: str, other_methods: Sequence[str] = ()) -> Classified:
    """`path` is the provider's own as it came, without its query. `other_methods`: with which the provider may execute the
    request in place of `method` (`method_override.py`). If one of them means another operation, the request is ambiguous;
    what `method` means comes first."""
    seen = _by_method(provider, method, path, host)
    for other in other_methods[:_MOST_METHODS]:
        found = _by_method(provider, other, path, host).found
        if found and (seen.found is None or found[0] is not seen.found[0]):
            return replace(seen, found=seen.found or found, is_ambiguous=True)
    return replace(seen, is_ambiguous=True) if len(other_methods) > _MOST_METHODS else seen


def _by_method(provider: Provider, method: str, path: str, host: str) -> Classified:
    if found := registry.operation(provider, method, path, host):
        return Classified(found, path)
    harmless = _HARMLESS.sub(lambda escape: chr(int(escape[1], 16)), path)
    if harmless != path and (found := registry.operation(provider, method, harmless, host)):
        return Classified(found, harmless)
    for reading in _readings(path):
        if found := registry.operation(provider, method, reading, host) or _in_any_case(
            provider, method, reading, host
        ):
            return Classified(found, reading, is_ambiguous=True)
    return Classified(None, path, is_ambiguous=_has_odd_structure(path))


def _readings(path: str) -> Iterator[str]:
    """What servers may make of a path."""
    if _PLAIN.fullmatch(path):
        yield path
        return
    yield _resolved(_UNRESERVED.sub(lambda escape: chr(int(escape[1], 16)), path))
    decoded = path
    for _ in range(_MOST_DECODINGS):
        decoded, before = unquote(decoded, errors="replace"), decoded
        yield _resolved(decoded)
        if decoded == before:
            return


def _resolved(path: str) -> str:
    """Without empty and dot segments, path parameters (`;x=y`), and blanks or control characters at a segment's end."""
    kept: list[str] = []
    for segment in path.replace("\\", "/").split("/"):
        name = segment.partition(";")[0].strip("".join(map(chr, range(33))))
        if name == "..":
            del kept[-1:]
        elif name not in ("", "."):
            kept.append(name)
    return "/" + "/".join(kept)


def _has_odd_structure(path: str) -> bool:
    """Empty, dot, or doubly escaped parts: servers read such a path differently."""
    if _PLAIN.fullmatch(path):
        return False
    decoded = unquote(path, errors="replace")
    segments = decoded.replace("\\", "/").split("/")[1:]
    return (
        not path.startswith("/")
        or not all(segments[:-1])
        or not {".", ".."}.isdisjoint(segments)
        or "\\" in decoded
        or _ESCAPE.search(decoded) is not None
        or any(char < " " or char == "\x7f" for char in decoded)
    )


def _in_any_case(provider: Provider, method: str, path: str, host: str) -> tuple[Operation, str | None] | None:
    """Some servers read `/V1/Chat/Completions` as well."""
    if not path.lower().startswith(registry.path_of_host(host)):
        return None
    for candidate in provider.operations:
        if candidate.method == method.upper() and (match := _loose(candidate.path).fullmatch(path)):
            return candidate, match.groupdict().get("model")
    return None


@lru_cache(maxsize=1024)
def _loose(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)
