"""One spelling for each path, so that roles, routes and operations cannot disagree about what a request asks for. Pure."""

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from addon.remember import remember_short

# RFC 3986: the characters of a path, and percent escapes that are whole.
_WELL_FORMED: Final = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*")
_ESCAPE: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_DOTS: Final = frozenset((".", ".."))


@remember_short(1024)
def canonical_path(raw: str) -> str | None:
    """The path of a request target, percent-decoded once; without its query. None: servers may read it in two ways.

    Ambiguous are: encoded slashes and backslashes, empty and dot segments (also where a second decoding would give one:
    text that is still an escape after the first), escapes that are not whole or not UTF-8, control characters, and
    characters that no URL may have. Linear in the path's length.
    """
    path = raw.partition("?")[0]
    if not path.startswith("/") or not _WELL_FORMED.fullmatch(path):
        return None
    try:
        decoded = unquote_to_bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        return None
    if decoded.count("/") != path.count("/") or "\\" in decoded or _ESCAPE.search(decoded):
        return None
    if any(char < " " or "\x7f" <= char <= "\x9f" for char in decoded):
        return None
    first, *segments = decoded.removeprefix("/").split("/")
    is_root = not first and not segments
    has_empty = not is_root and not all((first, *segments[:-1]))  # one slash at the end is a path of its own
    return None if has_empty or not _DOTS.isdisjoint((first, *segments)) else decoded
