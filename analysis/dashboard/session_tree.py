"""The calls of a session as a tree by path, with sums at each node and bars on a common line of time. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

DEEPEST: Final = 12  # levels of a path; what is deeper is one level
MOST_NODES: Final = 400
MOST_PATHS: Final = 20  # that one link to the calls of a node names
MOST_CALLS: Final = 50  # of one node, before the page asks for more
WIDTH: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Bar:
    """Where it begins and how wide it is, of WIDTH."""

    x: float
    width: float


@dataclass(slots=True)
class Node:
    """One level of the path, with everything below it. None: not known of a single call."""

    name: str
    path: str
    calls: int = 0
    errors: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    unpriced: int = 0
    begins_ms: int = 0
    ends_ms: int = 0
    children: dict[str, "Node"] = field(default_factory=dict)
    own: list[dict[str, Any]] = field(default_factory=list)  # its calls, oldest first; not those of its children
    bar: Bar = Bar(0, 0)
    paths: dict[str | None, None] = field(
        default_factory=dict
    )  # as its calls have them, up to one more than MOST_PATHS

    @property
    def duration_ms(self) -> int:
        return self.ends_ms - self.begins_ms

    def steps(self, most: int) -> list["Node | dict[str, Any]"]:
        """Its first `most` calls and its children, in the order in which they began."""
        steps: list[Node | dict[str, Any]] = [*self.own[:most], *self.children.values()]
        return sorted(steps, key=lambda step: step.begins_ms if isinstance(step, Node) else step["started_ms"])


def session_tree(rows: Sequence[dict[str, Any]]) -> Node:
    """`rows`, oldest first: session_path, started_ms, duration_ms, error_type, input_tokens, output_tokens, cost_usd, ...

    Each call of a node gets a `bar`. A clock that jumps makes bars of no width, never a picture out of bounds.
    """
    root = Node("", "/")
    nodes = 1
    for row in rows:
        at = root
        _add(at, row)
        for name in _levels(row["session_path"]):
            if name not in at.children and nodes >= MOST_NODES:
                break
            if name not in at.children:
                nodes += 1
                at.children[name] = Node(name, f"{at.path.rstrip('/')}/{name}")
            at = at.children[name]
            _add(at, row)
        at.own.append(row)
    _draw(root, root.begins_ms, max(root.duration_ms, 1))
    return root


def _levels(path: str | None) -> list[str]:
    levels = [level for level in (path or "").split("/") if level]
    return levels if len(levels) <= DEEPEST else [*levels[: DEEPEST - 1], "/".join(levels[DEEPEST - 1 :])]


def _add(node: Node, row: dict[str, Any]) -> None:
    begins, ends = row["started_ms"], row["started_ms"] + (row["duration_ms"] or 0)
    node.begins_ms = min(node.begins_ms, begins) if node.calls else begins
    node.ends_ms = max(node.ends_ms, ends) if node.calls else ends
    node.calls += 1
    if len(node.paths) <= MOST_PATHS:
        node.paths[row["session_path"]] = None
    node.errors += row["error_type"] is not None
    node.unpriced += row["cost_usd"] is None
    for name in ("input_tokens", "output_tokens", "cost_usd"):
        if row[name] is not None:
            setattr(node, name, (getattr(node, name) or 0) + row[name])


def _draw(node: Node, begins_ms: int, length_ms: int) -> None:
    node.bar = bar(node.begins_ms - begins_ms, node.duration_ms, length_ms)
    for row in node.own:
        row["bar"] = bar(row["started_ms"] - begins_ms, row["duration_ms"] or 0, length_ms)
    for child in node.children.values():
        _draw(child, begins_ms, length_ms)


def bar(at_ms: int, duration_ms: int, length_ms: int) -> Bar:
    """At least two wide, so that a short call is seen."""
    x = min(max(at_ms / length_ms * WIDTH, 0), WIDTH - 2)
    return Bar(round(x, 2), round(min(max(duration_ms / length_ms * WIDTH, 2), WIDTH - x), 2))
