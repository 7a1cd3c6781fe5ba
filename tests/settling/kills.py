"""What a process leaves that is killed before one of the steps in which it changes what is on the disk."""

import filecmp
import itertools
import shutil
import sys
from collections.abc import Callable, Iterator, Set
from pathlib import Path
from types import FrameType
from typing import Any, Final

# The functions of C that change what is on the disk.
STEPS: Final = {"write", "rename", "unlink", "fsync", "truncate"}


def left_by_kills(
    action: Callable[[Path], None], template: Path, into: Path, steps: Set[str] = STEPS
) -> Iterator[tuple[int, Path]]:
    """Runs `action` on a copy of `template`. Yields the number of each of its steps, and a folder as it was before that
    step, at last as it was in the end; folders like the one before are left out. What a process has not yet handed to the
    kernel is not in them, as after a kill. They are removed behind the caller."""
    data, number = into / "data", itertools.count()
    shutil.copytree(template, data)
    copies: list[Path] = []

    def copy() -> None:
        target = into / f"before-step-{next(number)}"
        shutil.copytree(data, target)
        if copies and _are_alike(copies[-1], target):
            shutil.rmtree(target)
        else:
            copies.append(target)

    def look(frame: FrameType, event: str, function: Any) -> None:
        if event == "c_call" and function.__name__ in steps:
            copy()

    sys.setprofile(look)
    try:
        action(data)
    finally:
        sys.setprofile(None)
    copy()
    shutil.rmtree(data)
    for found in copies:
        yield int(found.name.rpartition("-")[2]), found
        shutil.rmtree(found)


def _are_alike(one: Path, other: Path) -> bool:
    names = [sorted(path.relative_to(folder) for path in folder.rglob("*")) for folder in (one, other)]
    if names[0] != names[1]:
        return False
    files = [name for name in names[0] if (one / name).is_file()]
    return not any(filecmp.cmpfiles(one, other, files, shallow=False)[1:])


class Killed(BaseException):
    pass


def killed_before_each_step(
    act: Callable[[Callable[[str], None]], object], check: Callable[[], None] = lambda: None
) -> set[str]:
    """Runs `act`, which tells what it is about to do, and ends it before each step that it has not told before, until it comes
    to its end. `check` runs after each kill. Returns what the steps were."""
    before: set[str] = set()

    def step(what: str) -> None:
        if what not in before:
            before.add(what)
            raise Killed

    while True:
        try:
            act(step)
            return before
        except Killed:
            check()
