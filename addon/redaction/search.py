"""Finds secrets in text and puts pseudonyms in their place.

A pseudonym is `<kind:12 hex digits>`, the digits from HMAC-SHA256 with a key of this data folder: the same text gets the same
pseudonym, and nobody without the key can test a guess. 48 bits: among a million different secrets of a kind two share one with
a probability of 0.2 %. Pseudonyms are found as what they are, so text may be redacted twice.
"""

import hmac
import re
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from addon.redaction.engine import compiled, set_of
from addon.redaction.patterns import BUILT_IN, Pattern
from addon.redaction.rules import Rules

if TYPE_CHECKING:
    import re2

DIGITS: Final = 12
_PSEUDONYM: Final = Pattern("", rf"<[a-z][a-z0-9_-]{{0,31}}:[0-9a-f]{{{DIGITS}}}>", lambda _text: None)
_PSEUDONYM_ALONE: Final = re.compile(_PSEUDONYM.expression.encode())
_FRACTION: Final = b"."
# After so many bytes each built-in pattern has matched or will not.
_DECIDED_BYTES: Final = 1024

_BETWEEN: Final = b"\0"
# Escapes that are left in text, as in JSON within it: a letter of an escape is not part of the word behind it. An escaped
# `@` is known to the pattern of mail addresses.
_ESCAPED: Final = re.compile(rb"(\\\\)|\\[nrtbf]|\\u(?!0040)[0-9a-fA-F]{4}")

Edit = tuple[int, int, bytes]  # from, to, what takes the place


class SecretSearch:
    """Pure but for its key. Linear in the text but for patterns of the user's own, which may look ahead as far as they like."""

    def __init__(self, rules: Rules, key: bytes) -> None:
        self.rules, self._key = rules, key
        self._own = [(compiled(own.pattern), Pattern(own.name, own.pattern)) for own in rules.own]
        built_in = [pattern for name, patterns in BUILT_IN.items() if name in rules.patterns for pattern in patterns]
        self._built_in = [(compiled(pattern.expression), pattern) for pattern in (_PSEUDONYM, *built_in)]
        self._begins = set_of(pattern.expression for _, pattern in self._built_in)
        alternatives = (pattern.expression for _, pattern in (self._built_in[0], *self._own, *self._built_in[1:]))
        self._any = compiled("|".join(f"(?:{expression})" for expression in alternatives))

    def replaced(self, data: bytes) -> bytes:
        """`data` itself where there is nothing to replace."""
        edits = self.edits(data)
        return applied(data, edits) if edits else data

    def replacing(self, secret: bytes, kind: str) -> bytes:
        """The pseudonym of what is known to be a secret of this kind, unless it is one already."""
        return secret if is_pseudonym(secret) else self.pseudonym(kind, secret)

    def edits(self, data: bytes) -> list[Edit]:
        """What is to be replaced, in order. Positions are bytes of UTF-8."""
        if b"\\" in data:
            data = _ESCAPED.sub(_blank, data)
        found = list[Edit]()
        position, search = 0, self._any.search
        while match := search(data, position):
            start = match.start()
            edit, position = self._edit(data, start)
            if edit:
                found.append(edit)
        return found

    def edits_in(self, texts: Sequence[bytes]) -> Iterable[tuple[int, list[Edit]]]:
        """What is to be replaced in each text that has something, with its number. All are searched at once: one search of much
        text is cheap, many searches are not."""
        edits = self.edits(_BETWEEN.join(texts))
        if not edits:
            return []
        ends = list(accumulate(len(text) + 1 for text in texts))
        found = dict[int, list[Edit]]()
        at = 0
        for start, end, pseudonym in edits:
            while start >= ends[at]:
                at += 1
            if end >= ends[at]:  # a pattern of the user's own that takes what is between the texts as well
                return [(number, alone) for number, text in enumerate(texts) if (alone := self.edits(text))]
            begin = ends[at] - len(texts[at]) - 1
            found.setdefault(at, []).append((start - begin, end - begin, pseudonym))
        return found.items()

    def _edit(self, data: bytes, start: int) -> tuple[Edit | None, int]:
        """What is replaced of the matches that begin at `start`, and where the search goes on."""
        go_on = start + 1
        for expression, pattern in self._candidates(data, start):
            match = expression.match(data, start)
            if match is None:
                continue
            end = match.end()
            if pattern is _PSEUDONYM:
                return None, end
            text = data[start:end]
            span = None if _is_fraction(data, start) else pattern.secret(text)
            if span is not None and span[0] < span[1]:
                secret = text[span[0] : span[1]]
                edit = start + span[0], start + span[1], self.pseudonym(pattern.kind, pattern.same(secret))
                return edit, start + span[1]
            if not pattern.is_short:
                go_on = max(go_on, end)
        return None, go_on

    def _candidates(self, data: bytes, start: int) -> list[tuple["re2._Regexp", Pattern]]:
        """Patterns that may match here, in the order of their priority."""
        begun = sorted(self._begins.Match(data[start : start + _DECIDED_BYTES]) or ())
        found = [self._built_in[index] for index in begun]
        at = 1 if begun and begun[0] == 0 else 0
        return [*found[:at], *self._own, *found[at:]]

    def pseudonym(self, kind: str, secret: bytes) -> bytes:
        digest = hmac.digest(self._key, b"%b:%b" % (kind.encode(), secret), "sha256")
        return b"<%b:%b>" % (kind.encode(), digest.hex()[:DIGITS].encode())


def _blank(escape: re.Match[bytes]) -> bytes:
    return escape[0] if escape[1] else b" " * len(escape[0])


def applied(data: bytes, edits: Iterable[Edit]) -> bytes:
    parts, position = list[bytes](), 0
    for start, end, pseudonym in edits:
        parts += (data[position:start], pseudonym)
        position = end
    return b"".join((*parts, data[position:]))


def is_pseudonym(text: bytes) -> bool:
    return _PSEUDONYM_ALONE.fullmatch(text) is not None


def _is_fraction(data: bytes, start: int) -> bool:
    """Whether the digits here are decimals: embeddings are full of them."""
    return data[start - 1 : start] == _FRACTION and data[start - 2 : start - 1].isdigit()
