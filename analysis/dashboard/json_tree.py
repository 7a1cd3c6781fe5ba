"""A body as a tree that folds, and what is found in it. Pure; all of bounded size, whatever the body says."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

MOST_NODES: Final = 2500
MOST_MEMBERS: Final = 300  # of one object or list
DEEPEST: Final = 40
LONGEST_TEXT: Final = 4000
OPEN_LEVELS: Final = 2
MOST_HITS: Final = 100
AROUND: Final = 80  # characters of context beside a hit


@dataclass(slots=True)
class Node:
    """`kind`: object, list, string, number, other. `left_out`: members or characters that are not shown."""

    key: str | None
    kind: str
    text: str = ""
    children: list["Node"] = field(default_factory=list)
    size: int = 0
    left_out: int = 0
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    path: str
    before: str
    found: str
    after: str


def json_tree(text: str) -> Node | None:
    """None where it is not JSON."""
    try:
        value = orjson.loads(text)
    except ValueError:
        return None
    return _node(None, value, 0, [MOST_NODES])


def _node(key: str | None, value: Any, depth: int, room: list[int]) -> Node:
    """`room`: how many nodes may still be made."""
    room[0] -= 1
    if isinstance(value, dict | list):
        pairs: list[tuple[str | None, Any]] = (
            list(value.items()) if isinstance(value, dict) else [(str(index), each) for index, each in enumerate(value)]
        )
        node = Node(key, "object" if isinstance(value, dict) else "list", size=len(pairs), is_open=depth < OPEN_LEVELS)
        for name, each in pairs[:MOST_MEMBERS]:
            if room[0] <= 0 or depth >= DEEPEST:
                break
            node.children.append(_node(name, each, depth + 1, room))
        node.left_out = len(pairs) - len(node.children)
        return node
    if isinstance(value, str):
        return Node(key, "string", value[:LONGEST_TEXT], left_out=max(0, len(value) - LONGEST_TEXT))
    return Node(key, "number" if type(value) in (int, float) else "other", orjson.dumps(value).decode())


def hits(text: str, words: str) -> tuple[list[Hit], int]:
    """Where the words are, upper and lower case alike: the first of them, and how many there are."""
    try:
        places: Iterator[tuple[str, str]] = _strings(orjson.loads(text))
    except ValueError:
        places = ((f"line {number}", line) for number, line in enumerate(text.splitlines(), 1))
    found: list[Hit] = []
    count = 0
    wanted = words.casefold()
    for path, said in places:
        folded = said.casefold()
        at = folded.find(wanted)
        while at >= 0:
            count += 1
            if len(found) < MOST_HITS:
                # Folding may change the length of a text; then the place is about right.
                end = at + len(words)
                found.append(Hit(path, said[max(0, at - AROUND) : at], said[at:end], said[end : end + AROUND]))
            at = folded.find(wanted, at + len(wanted))
    return found, count


def _strings(value: Any) -> Iterator[tuple[str, str]]:
    """(path, text) of every name and every value, in their order."""
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        path, one = waiting.pop()
        if isinstance(one, dict):
            for name in one:
                yield f"{path}.{name}".lstrip("."), name
            waiting += [(f"{path}.{name}".lstrip("."), each) for name, each in reversed(one.items())]
        elif isinstance(one, list):
            waiting += [(f"{path}[{index}]", each) for index, each in reversed(list(enumerate(one)))]
        elif one is not None:
            yield path, one if isinstance(one, str) else orjson.dumps(one).decode()
