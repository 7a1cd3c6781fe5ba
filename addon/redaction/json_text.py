"""Redacts text that has JSON strings in it: a JSON document, whole or cut, server-sent events, lines of JSON; plain text as well.

Works on the text itself: strings are taken out, unescaped, redacted and put back, and every byte between them stays. So white
space, numbers and members that are named twice are kept, and what was valid JSON still is.
"""

import json
import re
from typing import Final

import orjson

from addon.redaction.patterns import TELLING_NAME, is_telling_value
from addon.redaction.search import Edit, SecretSearch, applied

# A string up to its closing quote; without one, up to the end of the line: each byte is looked at once, whatever is open.
_STRING: Final = re.compile(rb'("(?:[^"\\\r\n]++|\\[^\r\n])*+"?)')
# Pictures and sound are long texts in base64: there is nothing to find, and what looks like a key is chance.
_BASE64: Final = re.compile(rb'"(?:data:[^,"]{0,200},)?(?:[A-Za-z0-9+/=_-]|\\[/nr]){1024,}+"?')
_BASE64_BYTES: Final = 1024
_TELLING: Final = re.compile(rf'"[\w-]{{0,40}}{TELLING_NAME}"\s*+:'.encode(), re.IGNORECASE)
_HALF_AN_ESCAPE: Final = re.compile(rb"(?<!\\)(?:\\\\)*+(\\(?:u[0-9a-fA-F]{0,3})?)\Z")
_NUMBER: Final = re.compile(rb"[0-9+.eE-]*")
_AFTER_NUMBER: Final = re.compile(rb"\s*+[,\]}]")
_INDENT_BYTES: Final = 100  # white space before a number
# JSON in a string in JSON: arguments of tools. What is packed deeper is treated as plain text.
_DEEPEST: Final = 3
_BETWEEN: Final = b"\0"


def redacted(search: SecretSearch, data: bytes, depth: int = 0) -> bytes:
    """`data` itself where there is nothing to replace. UTF-8, which may be cut or broken."""
    parts = _STRING.split(data)
    outside, strings = parts[::2], parts[1::2]
    texts = _unescaped_all(strings)
    new = _replaced_whole(search, data, outside, strings, texts, depth)
    for at in new:
        texts[at] = b""
    new_outside = dict[int, bytes]()
    for at, edits in search.edits_in([*outside, *texts]):
        if at < len(outside):
            new_outside[at] = applied(outside[at], [_quoted(outside[at], edit) for edit in edits])
        else:
            at -= len(outside)
            new[at] = _escaped(strings[at], applied(texts[at], edits))
    if not new and not new_outside:
        return data
    parts[::2] = (new_outside.get(at, part) for at, part in enumerate(outside))
    parts[1::2] = (new.get(at, part) for at, part in enumerate(strings))
    return b"".join(parts)


def _replaced_whole(
    search: SecretSearch, data: bytes, outside: list[bytes], strings: list[bytes], texts: list[bytes], depth: int
) -> dict[int, bytes]:
    """The strings that are not searched with the others, as they will stand in the text."""
    found = dict[int, bytes]()
    for at, text in enumerate(texts):
        if len(text) >= _BASE64_BYTES and _BASE64.fullmatch(strings[at]):
            found[at] = strings[at]
        elif text[:1] in (b"{", b"[") and b"\\" in text and depth < _DEEPEST:
            packed = redacted(search, text, depth + 1)
            found[at] = strings[at] if packed is text else _escaped(strings[at], packed)
    if "keys" in search.rules.patterns and _TELLING.search(data):
        for at in range(1, len(texts)):
            name, value = strings[at - 1], texts[at]
            if outside[at].strip() == b":" and is_telling_value(value) and _TELLING.fullmatch(name + b":"):
                found[at] = _escaped(strings[at], search.replacing(value, "key"))
    return found


def _unescaped_all(strings: list[bytes]) -> list[bytes]:
    """What the strings stand for, in UTF-8."""
    try:
        texts = "\0".join(orjson.loads(b"[%b]" % b",".join(strings))).encode().split(_BETWEEN)
    except ValueError:
        texts = []
    return texts if len(texts) == len(strings) else [_unescaped(each) for each in strings]


def _unescaped(string: bytes) -> bytes:
    text = _decoded(_closed(string)[0])
    return string[1:].removesuffix(b'"') if text is None else text


def _decoded(string: bytes) -> bytes | None:
    """None: not a string of JSON."""
    try:
        return str(json.loads(string.decode(), strict=False)).encode("utf-8", "surrogatepass")
    except ValueError:
        return None


def _closed(string: bytes) -> tuple[bytes, bytes]:
    """The string with a closing quote, and what is cut off at its end where it has none."""
    if _decoded(string) is not None:
        return string, b""
    half = _HALF_AN_ESCAPE.search(string)
    tail = half[1] if half else b""
    return string.removesuffix(tail) + b'"', tail


def _escaped(string: bytes, text: bytes) -> bytes:
    """`text` in the place of what `string` stood for."""
    closed, tail = _closed(string)
    if _decoded(closed) is None:
        return b'"' + text + (b'"' if len(string) > 1 and string.endswith(b'"') else b"")
    try:
        written = orjson.dumps(text.decode())
    except ValueError:  # half of a surrogate pair
        written = json.dumps(text.decode("utf-8", "surrogatepass")).encode()
    return written if closed is string else written[:-1] + tail


def _quoted(outside: bytes, edit: Edit) -> Edit:
    """A number of JSON becomes a string."""
    start, end, pseudonym = edit
    end += len(_NUMBER.match(outside, end)[0])  # type: ignore[index]  # it matches the empty text
    if outside[start - 1 : start] == b"-":
        start -= 1
    before = outside[max(0, start - _INDENT_BYTES) : start].rstrip()[-1:]
    if before in (b":", b",", b"[") and _AFTER_NUMBER.match(outside, end):
        return start, end, b'"%b"' % pseudonym
    return edit
