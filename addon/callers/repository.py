"""Which git repository a folder is in. Reads small files only, runs nothing: a repository's own settings may start programs."""

import os
import re
import stat
from pathlib import Path
from typing import Final

_MOST_BYTES: Final = 64 * 2**10
_ORIGIN: Final = re.compile(r'^\[remote "origin"\]\s*\n(?:\s+(?!url\b)[^\n]*\n)*\s+url\s*=\s*(\S+)', re.MULTILINE)


def repository_of(folder: Path) -> str | None:
    """The name of the repository: the last part of its remote `origin`, as OpenTelemetry's `vcs.repository.name` has it; the
    name of its main work tree's folder where it has no such remote. None: the folder is in no repository.

    Clones and work trees of one repository have one name.
    """
    for parent in (folder, *folder.parents):
        mark = parent / ".git"
        if mark.is_dir():
            return _origin_name(mark) or parent.name or None
        if text := _small_file(mark):  # of a work tree or a submodule: where its repository is
            return _of_link(parent, text)
    return None


def _of_link(parent: Path, text: str) -> str | None:
    """A work tree's `.git` file says `gitdir: REPOSITORY/.git/worktrees/NAME`; a submodule's lies under `.git/modules`."""
    if not text.startswith("gitdir:"):
        return None
    git = Path(os.path.normpath(parent / text.removeprefix("gitdir:").strip()))
    if git.parent.name != "worktrees":
        return _origin_name(git) or parent.name
    main = git.parent.parent
    return _origin_name(main) or (main.parent.name if main.name == ".git" else main.name.removesuffix(".git")) or None


def _origin_name(git: Path) -> str | None:
    found = _ORIGIN.search(_small_file(git / "config") or "")
    if not found:
        return None
    return re.split(r"[/:\\]", found[1].rstrip("/"))[-1].removesuffix(".git") or None


def _small_file(path: Path) -> str | None:
    """The beginning of a regular file; None where there is none that we may read. A pipe must not hold us up."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return file.read(_MOST_BYTES).decode("utf-8", "replace")
