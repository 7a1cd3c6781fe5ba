"""The rooms of the code and the imports between them: `python -m scripts.rooms` prints both, `--check` fails at an arrow that points up.

A room is a folder of `addon/` or `analysis/`. Directly in `addon/`, main.py and serve.py are the room `start`; every other
module is a room of its own; what scripts import, analysis/__init__.py and __main__.py, is `analysis.scripts`. An arrow is one room that imports another, wherever in a file the import stands.
Nor may a file import itself by way of others.
"""

import argparse
import ast
import graphlib
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[1]

# From top to bottom. A room may import every room below it, and none above it.
ORDER: Final = (
    "analysis.scripts",
    "pytest_plugin",
    "commands",
    "workers",
    "start",
    "analysis.serving",
    "analysis.dashboard",
    "analysis.api",
    "analysis.health",
    "analysis.alerts",
    "analysis.exports",
    "analysis.webhooks",
    "analysis.faces",
    "analysis.billing",
    "analysis.engines",
    "analysis.reports",
    "analysis.conversations",
    "analysis",
    "hooks",
    "mitm",
    "calls",
    "intake",
    "demo",
    "settling",
    "routing",
    "config",
    "callers",
    "caching",
    "recordings",
    "sending",
    "limits",
    "conversations",
    "metering",
    "redaction",
    "providers",
    "objects",
    "storage",
    "clients",
    "ids",
    "remember",
    "descriptors",
    "restarts",
    "wildcard",
    "worker",
    "start_module",
)


class Import(NamedTuple):
    """One import statement that leaves its room."""

    room: str
    imported: str  # a room
    file: Path  # relative to the project
    line: int


class Function(NamedTuple):
    lines: int  # from the first decorator to the last line
    name: str
    file: Path


def source_files(root: Path = ROOT) -> list[Path]:
    """Every Python file of the two packages, relative to `root`."""
    return sorted(
        file.relative_to(root) for package in ("addon", "analysis") for file in (root / package).rglob("*.py")
    )


def room_of(parts: Sequence[str], root: Path = ROOT) -> str:
    """The room of a module, given by the parts of its dotted name."""
    package, name = parts[0], parts[1] if len(parts) > 1 else ""
    if name and (root / package / name).is_dir():
        return name if package == "addon" else f"analysis.{name}"
    if package == "analysis" and name in ("__init__", "__main__"):
        return "analysis.scripts"
    if package == "addon":
        return "start" if name in ("", "main", "serve", "__init__") else name
    return package


def imports(root: Path = ROOT) -> Iterator[Import]:
    """Every import from one room into another."""
    for file in source_files(root):
        room = room_of(file.with_suffix("").parts, root)
        for name, line in _imported(root / file):
            if name.split(".")[0] in ("addon", "analysis") and (other := room_of(name.split("."), root)) != room:
                yield Import(room, other, file, line)


def circle(root: Path = ROOT) -> list[str]:
    """Files that import each other in a circle, the first one again at the end; none: []."""
    files = [*source_files(root), *(file.relative_to(root) for file in (root / "scripts").rglob("*.py"))]
    modules = {".".join(file.with_suffix("").parts): file for file in files}
    graph: dict[str, set[str]] = {}
    for name, file in modules.items():
        imported = {module for each, _ in _imported(root / file) if (module := _module(each, modules))}
        graph[name] = imported - {name}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return list(reversed(error.args[1]))
    return []


def _module(name: str, modules: Mapping[str, Path]) -> str | None:
    """The module of ours that `name` is, or is a name in."""
    return next((each for each in (name, name.rpartition(".")[0]) if each in modules), None)


@cache
def _imported(file: Path) -> list[tuple[str, int]]:
    """Dotted names and their lines. `from addon import ids` counts as `addon.ids`."""
    found: list[tuple[str, int]] = []
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [(f"{node.module}.{alias.name}", node.lineno) for alias in node.names]
    return found


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def complaints(found: Sequence[Import], order: Sequence[str] = ORDER) -> list[str]:
    """The violations, one sentence each."""
    place = {room: index for index, room in enumerate(order)}
    unknown = sorted({room for each in found for room in (each.room, each.imported)} - place.keys())
    if unknown:
        return [f"scripts/rooms.py: the room {room} has no place in ORDER" for room in unknown]
    return [
        f"{each.file}:{each.line}: {each.room} imports {each.imported}, which stands above it (ORDER in scripts/rooms.py)"
        for each in found
        if place[each.imported] < place[each.room]
    ]


def functions(root: Path = ROOT) -> list[Function]:
    """Every function and method, the longest first."""
    return sorted(
        (
            Function(
                (node.end_lineno or node.lineno)
                - min([node.lineno, *(each.lineno for each in node.decorator_list)])
                + 1,
                node.name,
                file,
            )
            for file in source_files(root)
            for node in ast.walk(_tree(root / file))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ),
        reverse=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m scripts.rooms", description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail where an import points up, and print nothing else")
    found = list(imports())
    wrong = complaints(found)
    if files := circle():
        wrong.append(f"import each other in a circle: {' -> '.join(files)}")
    if not parser.parse_args().check:
        _show(found)
    if wrong:
        sys.exit("\n".join(wrong))


def _show(found: Sequence[Import]) -> None:
    arrows = Counter((each.room, each.imported) for each in found)
    rooms = [room for room in ORDER if any(room in arrow for arrow in arrows)]
    place = {room: index for index, room in enumerate(ORDER)}
    up = [arrow for arrow in arrows if place.get(arrow[1], 0) < place.get(arrow[0], 0)]
    print(f"{len(rooms)} rooms, {len(arrows)} arrows, {len(up)} of them up")
    for room in rooms:
        print(f"  {room} -> {', '.join(other for other in rooms if (room, other) in arrows) or '(nothing)'}")
    sizes = sorted(
        ((len((ROOT / file).read_text(encoding="utf-8").splitlines()), file) for file in source_files()), reverse=True
    )
    lengths = [function.lines for function in functions()]
    print(f"{len(sizes)} files; longest: " + ", ".join(f"{file} {lines}" for lines, file in sizes[:5]))
    print(
        f"{len(lengths)} functions; median {lengths[len(lengths) // 2]}, p95 {lengths[len(lengths) // 20]}; longest: "
        + ", ".join(f"{each.name} ({each.file}) {each.lines}" for each in functions()[:5])
    )


if __name__ == "__main__":
    main()
