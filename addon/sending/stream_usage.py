"""Usage of OpenAI-shaped streams: requested where the caller did not request it, and removed for callers that do not expect it.

OpenAI states a stream's usage only when asked, in one more chunk with `"choices": []` before `[DONE]`; every other chunk
then has `"usage": null` (https://platform.openai.com/docs/api-reference/chat/create, `stream_options.include_usage`).
"""

import re
from typing import Final

from addon.providers.fields import at, parse
from addon.providers.framing.sse import events
from addon.sending.json_text import members, with_members

# A longer event is not a usage chunk: it is passed on before it is complete.
_LONGEST_HELD_BYTES: Final = 256 * 1024

# Two line ends in a row. Atomic, or a CR LF would pass for two.
_EVENT_END: Final = re.compile(rb"(?>\r\n|\r|\n)(?>\r\n|\r|\n)")
# Comments (they keep connections alive) and empty lines before an event: whole lines, and no part of any event.
_BETWEEN_EVENTS: Final = re.compile(rb"(?:(?::[^\r\n]*)?(?>\r\n|\n))+")
# In a JSON string every quote is escaped, so the text of an answer never matches these.
_NO_CHOICES: Final = re.compile(rb'"choices"\s*:\s*\[\s*\]')
_USAGE_OBJECT: Final = re.compile(rb'"usage"\s*:\s*\{')
_NULL_USAGE: Final = re.compile(rb',\s*"usage"\s*:\s*null(?=\s*[,}])')


def with_include_usage(body: bytes) -> bytes | None:
    """The request with `stream_options.include_usage` set to true and all other bytes as they were; None where there is
    nothing to do: not a stream, requested already, or not readable JSON. The caller knows that the operation is one
    that has this option (chat completions, completions)."""
    if b'"stream"' not in body:
        return None  # most calls, when the config asks for usage everywhere: not worth reading
    try:
        text = body.decode()
        there = {member.key: member for member in members(text)}
        stream, options = there.get("stream"), there.get("stream_options")
        if stream is None or stream.value is not True:
            return None
        if options is None or options.value is None:
            return with_members(text, {"stream_options": '{"include_usage":true}'}).encode()
        if not isinstance(options.value, dict) or options.value.get("include_usage") is True:
            return None  # not an object: the provider itself reports the error
        asked = with_members(text[options.start : options.end], {"include_usage": "true"})
        return with_members(text, {"stream_options": asked}).encode()
    except ValueError:  # not UTF-8, not JSON, not an object: it passes as it is
        return None


class UsageChunkFilter:
    """A stream as it would have been without `include_usage`: the usage chunk is left out, and `"usage": null` of the
    others. Feed it the pieces as they come, not compressed.

    Only incomplete events are held back; no client can use one. A null is removed where OpenAI-shaped APIs write it, behind
    other members of the chunk itself; anywhere else it stays, where no SDK shows it.
    """

    def __init__(self) -> None:
        self.held = b""  # the beginning of an event
        self._drops_lf = False  # the removed part ended in a CR, which may be half of a CR LF

    def feed(self, piece: bytes) -> list[bytes]:
        """What the caller gets now: one piece, or none. mitmproxy ends a chunked body at an empty piece."""
        if not self.held and not self._drops_lf and _is_one_event(piece):  # as nearly every piece is
            only = _shown(piece)
            return [only] if only else []
        if self._drops_lf and piece:
            piece, self._drops_lf = piece.removeprefix(b"\n"), False
        data, begin = self.held + piece, 0
        shown: list[bytes] = []
        for end in _EVENT_END.finditer(data, max(0, len(self.held) - 3)):
            shown.append(_shown(data[begin : end.end()]))
            begin = end.end()
            self._drops_lf = begin == len(data) and data.endswith(b"\r") and not shown[-1].endswith(b"\r")
        self.held = data[begin:]
        if between := _BETWEEN_EVENTS.match(self.held):
            shown.append(between[0])
            self.held = self.held[between.end() :]
        if len(self.held) > _LONGEST_HELD_BYTES:
            shown.append(self.held)
            self.held = b""
        together = b"".join(shown)
        return [together] if together else []

    def finish(self) -> bytes:
        """The rest at the stream's end, also where the stream was cut. A usage chunk that was cut in two is dropped."""
        rest, self.held = self.held, b""
        is_usage = _NO_CHOICES.search(rest) and _USAGE_OBJECT.search(rest)
        return b"" if is_usage else _shown(rest)


def _is_one_event(piece: bytes) -> bool:
    return piece.find(b"\n\n") == len(piece) - 2 and len(piece) > 2 and b"\r" not in piece


def _shown(event: bytes) -> bytes:
    if b'"usage"' not in event:
        return event
    if _is_usage_chunk(event):
        before = _BETWEEN_EVENTS.match(event)
        return before[0] if before else b""
    return _without_null(event)


def _is_usage_chunk(event: bytes) -> bool:
    """The one event of a stream whose JSON is read here: all others lack one of two words."""
    if not (_NO_CHOICES.search(event) and _USAGE_OBJECT.search(event)):
        return False
    chunks = [parse(found.data) for found in events(event)]
    return len(chunks) == 1 and at(chunks[0], "choices") == [] and isinstance(at(chunks[0], "usage"), dict)


def _without_null(event: bytes) -> bytes:
    comma = event.rfind(b",", 0, event.rfind(b'"usage"'))
    if comma < 0 or not (found := _NULL_USAGE.match(event, comma)):
        return event
    rest = event[found.end() :]
    # One bracket is still to be closed, so it is a member of the chunk itself and not of something within.
    return event[:comma] + rest if rest.count(b"}") == 1 and b"]" not in rest else event
