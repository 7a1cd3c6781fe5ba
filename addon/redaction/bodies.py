"""Redacts a whole body, whatever it is: JSON, a stream of it, a form, the frames of AWS, text.

Pictures, sound, video and files in a body are not looked into. A body that says it is text and is not (an unknown
compression) is not kept at all: nobody knows what is in it.
"""

import base64
import json
import re
from typing import Final
from urllib.parse import quote_plus, unquote_plus

import orjson

from addon.redaction import json_text, streams
from addon.redaction.aws_frames import encoded, frames
from addon.redaction.search import SecretSearch

_EVENT: Final = re.compile(rb"^(?:data:[ ]?)?(\{.*\})[ \t]*\r?$", re.MULTILINE)
_KEPT_URL: Final = re.compile(r"data:([^,]*);base64,")
_BOUNDARY: Final = re.compile(r'boundary="?([^";,]{1,200})', re.IGNORECASE)
_TEXT_TYPES: Final = ("text/", "application/json", "application/x-ndjson", "application/xml", "application/jsonl")


def body_without_secrets(search: SecretSearch, body: bytes, content_type: str | None = None) -> bytes | None:
    """The body, which is not compressed, without secrets; `body` itself where there are none; None: it must not be kept."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind == "application/vnd.amazon.eventstream":
        return _frames(search, body)
    if kind == "multipart/form-data":
        return _parts(search, body, content_type or "")
    text = _as_utf8(body)
    if text is None:
        is_text = kind.startswith(_TEXT_TYPES) or kind.endswith(("+json", "+xml"))
        return None if is_text else body
    if kind == "application/x-www-form-urlencoded":
        return _form(search, text)
    return _text(search, text)


def kept_body_without_secrets(search: SecretSearch, body: str) -> str | None:
    """A body as the table `bodies` has it: text, or a `data:` URL of what is not UTF-8. None: it must not be kept."""
    url = _KEPT_URL.match(body)
    data = _decoded(body[url.end() :]) if url else None
    if url is None or data is None:
        text = body.encode("utf-8", "surrogatepass")
        found = _text(search, text)
        return body if found is text else found.decode("utf-8", "surrogatepass")
    kept = body_without_secrets(search, data, url[1])
    if kept is None or kept is data:
        return None if kept is None else body
    return f"data:{url[1]};base64,{base64.b64encode(kept).decode()}"


def _decoded(coded: str) -> bytes | None:
    """None: it is text that only begins as such a URL does."""
    try:
        return base64.b64decode(coded, validate=True)
    except ValueError:
        return None


def _as_utf8(body: bytes) -> bytes | None:
    """Text in UTF-8, of a cut body with its last half character; JSON in UTF-16 or UTF-32 becomes UTF-8; None: not text."""
    encoding = json.detect_encoding(body)
    try:
        if encoding.startswith("utf-8"):
            body.decode()
            return body
        return body.decode(encoding).encode()
    except UnicodeDecodeError as error:
        is_cut = error.reason == "unexpected end of data" and error.start > len(body) - 4
        return body if is_cut and encoding.startswith("utf-8") else None


def _text(search: SecretSearch, text: bytes) -> bytes:
    return json_text.redacted(search, _joined_stream(search, text))


def _joined_stream(search: SecretSearch, text: bytes) -> bytes:
    """Without secrets that lie across several events."""
    found = list(_EVENT.finditer(text))
    if len(found) > 1:
        new = streams.joined(search, [match[1] for match in found])
        return text if new is None else _with(text, [match.span(1) for match in found], new)
    if text[:1] == b"[":
        return _joined_array(search, text)
    return text


def _joined_array(search: SecretSearch, text: bytes) -> bytes:
    """Gemini's stream as one JSON array."""
    try:
        elements = orjson.loads(text)
    except ValueError:
        return text
    if len(elements) < 2 or not all(isinstance(element, dict) for element in elements):
        return text
    new = streams.joined(search, [orjson.dumps(element) for element in elements])
    return text if new is None else b"[%b]" % b",\n".join(new)


def _with(text: bytes, spans: list[tuple[int, int]], new: list[bytes]) -> bytes:
    parts, position = list[bytes](), 0
    for (start, end), document in zip(spans, new, strict=True):
        parts += (text[position:start], document)
        position = end
    return b"".join((*parts, text[position:]))


def _form(search: SecretSearch, text: bytes) -> bytes:
    pairs = [_pair(search, pair) for pair in text.decode("utf-8", "replace").split("&")]
    new = "&".join(pairs).encode()
    return text if new == text else new


def _pair(search: SecretSearch, pair: str) -> str:
    name, equals, value = pair.partition("=")
    return f"{_quoted(search, name)}{equals}{_quoted(search, value)}"


def _quoted(search: SecretSearch, text: str) -> str:
    plain = unquote_plus(text)
    found = search.replaced(plain.encode()).decode()
    return text if found == plain else quote_plus(found)


def _parts(search: SecretSearch, body: bytes, content_type: str) -> bytes:
    """A form with files: what is text is redacted, the heads of the others as well."""
    boundary = _BOUNDARY.search(content_type)
    between = b"--" + (boundary[1].encode() if boundary else body[2:72].partition(b"\r\n")[0])
    return between.join(_part(search, part) for part in body.split(between))


def _part(search: SecretSearch, part: bytes) -> bytes:
    if _as_utf8(part) is part:
        return json_text.redacted(search, part)
    head, gap, content = part.partition(b"\r\n\r\n")
    return search.replaced(head) + gap + content


def _frames(search: SecretSearch, body: bytes) -> bytes:
    """An event stream of AWS. What comes after a damaged or cut frame cannot be read, so it is not kept."""
    found = list(frames(body))
    events = [frame.event for frame in found]
    new = streams.joined(search, events) or events
    return encoded(frame.with_event(json_text.redacted(search, event)) for frame, event in zip(found, new, strict=True))
