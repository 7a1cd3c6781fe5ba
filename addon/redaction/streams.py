"""Secrets that a stream brings in pieces: `"al"`, `"ice@x"`, `".org"`.

Knows nothing of providers: texts that come under the same names in one JSON document after the other are one text. What is
found across several of them goes where it began; the others lose their part. Each document stays valid JSON, and each event
an event.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, Final, NamedTuple

import orjson

from addon.redaction.search import Edit, SecretSearch, applied

# Members that say the same in each document, or that are not text: joined they would only give matches by chance.
_NOT_JOINED: Final = frozenset(
    {
        *(
            "id",
            "object",
            "type",
            "role",
            "model",
            "event",
            "status",
            "created_at",
            "item_id",
            "response_id",
            "call_id",
        ),
        *("system_fingerprint", "service_tier", "finish_reason", "stop_reason", "modelVersion", "responseId", "p"),
        *("obfuscation", "signature", "thoughtSignature", "encrypted_content", "data", "index"),
    }
)
# Members that tell one text from another which comes at the same time.
_TELL_APART: Final = (
    *("index", "output_index", "content_index", "summary_index", "contentBlockIndex", "item_id", "type"),
    *("custom_id", "recordId", "key"),  # of a batch: its lines are documents of their own
)
_DEEPEST: Final = 40


class _Piece(NamedTuple):
    document: int
    holder: dict[str, Any]
    name: str


def joined(search: SecretSearch, documents: Sequence[bytes]) -> list[bytes] | None:
    """The documents without secrets that lie across several of them; None: there are no such secrets. What lies in one alone is
    not looked for."""
    parsed = [_parsed(document) for document in documents]
    texts = dict[tuple[str, ...], list[_Piece]]()
    for number, document in enumerate(parsed):
        for place, holder, name in _strings(document, ()):
            texts.setdefault(place, []).append(_Piece(number, holder, name))
    changed = set[int]()
    for pieces in texts.values():
        if len(pieces) > 1:
            changed |= _without_secrets(search, pieces)
    if not changed:
        return None
    return [orjson.dumps(parsed[at]) if at in changed else document for at, document in enumerate(documents)]


def _parsed(document: bytes) -> Any:
    try:
        return orjson.loads(document)
    except ValueError:
        return None


def _strings(value: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], dict[str, Any], str]]:
    """Every member with a text, with the names that lead to it and what tells it from others."""
    if len(place) > _DEEPEST:
        return
    if isinstance(value, dict):
        place = (*place, *(f"{name}={value[name]}" for name in _TELL_APART if isinstance(value.get(name), str | int)))
        for name, member in value.items():
            if isinstance(member, str):
                if name not in _NOT_JOINED:
                    yield (*place, name), value, name
            elif isinstance(member, dict | list):
                yield from _strings(member, (*place, name))
    elif isinstance(value, list):
        for at, member in enumerate(value):
            if isinstance(member, dict | list):
                yield from _strings(member, (*place, str(at)))


def _without_secrets(search: SecretSearch, pieces: list[_Piece]) -> set[int]:
    """Takes out what lies across several pieces of one text; the numbers of the documents that changed."""
    texts = [piece.holder[piece.name].encode("utf-8", "surrogatepass") for piece in pieces]
    ends = list(accumulate(map(len, texts)))
    cut = dict[int, list[Edit]]()
    at = 0
    for start, end, pseudonym in search.edits(b"".join(texts)):
        while start >= ends[at]:
            at += 1
        if end <= ends[at]:
            continue
        for number, begin, until in _spread(ends, at, start, end):
            cut.setdefault(number, []).append((begin, until, pseudonym if number == at else b""))
    for number, edits in cut.items():
        piece = pieces[number]
        piece.holder[piece.name] = applied(texts[number], edits).decode("utf-8", "surrogatepass")
    return {pieces[number].document for number in cut}


def _spread(ends: Sequence[int], first: int, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The parts of `start` to `end` in each piece: its number, from, to."""
    number = first
    while number < len(ends):
        begin = ends[number - 1] if number else 0
        if begin >= end:
            return
        yield number, max(start, begin) - begin, min(end, ends[number]) - begin
        number += 1
